"""Sentences made of types."""

from typing import Any

import msgspec
import pytest
from msgspec import Struct

from jobworker.api.expectations import explain
from jobworker.api.schemas import BackoffRequest, JobRequest, PauseRequest, Request


def explained(body: Any, model: type[Struct]) -> tuple[str, str]:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(body if isinstance(body, bytes) else msgspec.json.encode(body), type=model)
    return explain(caught.value, model)


@pytest.mark.parametrize("model", [JobRequest, BackoffRequest, PauseRequest])
def test_every_field_of_every_request_can_be_explained(model: type[Request]) -> None:
    for name in set(model.__struct_fields__) - {"payload"}:
        pointer, sentence = explained({name: None}, model)
        assert pointer == f"/{name}"
        assert sentence.startswith(f"{name} must be ")
        assert "None" not in sentence


def test_an_inner_field_is_named_with_its_path() -> None:
    assert explained({"backoff": {"max": 90_000}}, JobRequest) == (
        "/backoff/max",
        "backoff.max must be a number from 0 to 86400 (seconds)",
    )


@pytest.mark.parametrize(
    "name",
    ["x` - at `$.priority", "x` - at `$.nope", "x` - at `$.backoff.base", "`", "", "a\nb", "\x00", "{}", "%s", "é"],
)
def test_no_name_of_an_unknown_field_confuses_it(name: str) -> None:
    pointer, sentence = explained({name: 1}, JobRequest)
    assert pointer.startswith("/")
    assert " is not a field; allowed: type, payload, queue" in sentence


def test_a_long_name_is_not_repeated_in_full() -> None:
    pointer, sentence = explained({"x" * 1_000_000: 1}, JobRequest)
    assert len(pointer) == 101
    assert len(sentence) < 400
