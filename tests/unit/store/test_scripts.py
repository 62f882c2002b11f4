"""The scripts as files: includes, headers, and the way they are sent."""

import re
from hashlib import sha1
from importlib.resources import files
from typing import Any

import pytest
import redis
from redis.exceptions import NoScriptError, ResponseError

from jobworker.store.scripts import Script, script

FOLDER = files("jobworker.store") / "lua"
TRANSITIONS = sorted(file.name.removesuffix(".lua") for file in FOLDER.iterdir() if file.name.endswith(".lua"))
INCLUDES = sorted(file.name.removesuffix(".lua") for file in (FOLDER / "includes").iterdir())


def text_of(name: str) -> str:
    return (FOLDER / f"{name}.lua").read_text(encoding="utf-8")


def test_an_include_stands_in_the_place_where_it_is_named() -> None:
    source = Script("pause").source
    assert "-- include:" not in source
    for name in ("clock", "telling"):
        assert text_of(f"includes/{name}") in source
        source = source.replace(text_of(f"includes/{name}"), f"-- include: {name}")
    assert source == text_of("pause")


@pytest.mark.parametrize("name", TRANSITIONS)
def test_every_include_of_a_script_is_there_and_comes_once(name: str) -> None:
    named = re.findall(r"^-- include: (\w+)$", text_of(name), re.MULTILINE)
    assert len(named) == len(set(named))
    assert set(named) <= set(INCLUDES)
    assert "-- include:" not in script(name).source


def test_every_include_is_used() -> None:
    assert all(any(f"-- include: {name}\n" in text_of(user) for user in TRANSITIONS) for name in INCLUDES)


@pytest.mark.parametrize("name", TRANSITIONS)
def test_every_script_opens_with_its_promise_its_keys_its_arguments_and_its_answer(name: str) -> None:
    head = text_of(name).split("-- include:")[0]
    assert head.startswith(f"-- {name}: ")
    assert re.findall(r"^-- (Promise:|KEYS|ARGV|Returns)", head, re.MULTILINE) == [
        "Promise:",
        "KEYS",
        "ARGV",
        "Returns",
    ]


@pytest.mark.parametrize("name", TRANSITIONS)
def test_no_script_decodes_what_is_opaque_or_reads_a_clock_of_its_own(name: str) -> None:
    assert not re.search(r"cjson|cmsgpack|os\.time|os\.clock|math\.random|redis\.pcall", script(name).source)


def test_a_script_is_named_by_the_digest_of_its_whole_source_and_read_once() -> None:
    pause = script("pause")
    assert pause.digest == sha1(pause.source.encode(), usedforsecurity=False).hexdigest()
    assert script("pause") is pause


class Server:
    """Stands in for a client: notes the calls, and may have forgotten the script."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.calls: list[tuple[Any, ...]] = []

    def evalsha(self, *arguments: Any) -> str:
        self.calls.append(("evalsha", *arguments))
        if self.error is not None:
            raise self.error
        return "by digest"

    def eval(self, *arguments: Any) -> str:
        self.calls.append(("eval", *arguments))
        return "whole"


def run(server: Any) -> Any:
    return script("pause").run(server, ["key-1", "key-2"], ["a", 1])


def test_a_script_that_is_known_is_not_sent() -> None:
    server = Server(None)
    assert run(server) == "by digest"
    assert server.calls == [("evalsha", script("pause").digest, 2, "key-1", "key-2", "a", 1)]


def test_a_script_that_is_unknown_is_sent_whole_with_the_same_arguments() -> None:
    server = Server(NoScriptError())
    assert run(server) == "whole"
    assert server.calls[1:] == [("eval", script("pause").source, 2, "key-1", "key-2", "a", 1)]


@pytest.mark.parametrize("error", [redis.ConnectionError(), redis.TimeoutError(), ResponseError()])
def test_after_any_other_error_nothing_is_sent_again(error: Exception) -> None:
    server = Server(error)
    with pytest.raises(type(error)):
        run(server)
    assert len(server.calls) == 1
