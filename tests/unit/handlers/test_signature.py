import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Optional

import pytest

from jobworker.handlers import Job
from jobworker.handlers.errors import InvalidDeclaration
from jobworker.handlers.signature import Signature, read_signature


def no_parameters() -> None: ...
def only_payload(payload: int) -> None: ...
def untyped(payload): ...  # type: ignore[no-untyped-def]  # an author without annotations
def payload_and_job(payload: int, job: Job) -> None: ...
def untyped_job(payload, job): ...  # type: ignore[no-untyped-def]  # an author without annotations
def only_job(job: Job) -> None: ...
def optional_job(payload: int, job: Job | None = None) -> None: ...
def old_optional_job(payload: int, job: Optional[Job] = None) -> None: ...  # noqa: UP045 - as older code writes it
def written_as_strings(payload: "list[int]", job: "Job") -> None: ...
def defaults_after_payload(payload: int, retries: int = 3, *more: int, verbose: bool = False, **rest: int) -> None: ...
def positional_only(payload: int, job: Job, /) -> None: ...
def jobs_as_payload(payload: list[Job]) -> None: ...
def job_and_defaults(job: Job, width: int = 3) -> None: ...


async def asynchronous(payload: str, job: Job) -> None: ...


@pytest.mark.parametrize(
    ("function", "signature"),
    [
        (no_parameters, Signature(Any, takes_payload=False, wants_job=False)),
        (only_payload, Signature(int, takes_payload=True, wants_job=False)),
        (untyped, Signature(Any, takes_payload=True, wants_job=False)),
        (payload_and_job, Signature(int, takes_payload=True, wants_job=True)),
        (untyped_job, Signature(Any, takes_payload=True, wants_job=True)),
        (only_job, Signature(Any, takes_payload=False, wants_job=True)),
        (optional_job, Signature(int, takes_payload=True, wants_job=True)),
        (old_optional_job, Signature(int, takes_payload=True, wants_job=True)),
        (written_as_strings, Signature(list[int], takes_payload=True, wants_job=True)),
        (defaults_after_payload, Signature(int, takes_payload=True, wants_job=False)),
        (positional_only, Signature(int, takes_payload=True, wants_job=True)),
        (jobs_as_payload, Signature(list[Job], takes_payload=True, wants_job=False)),
        (job_and_defaults, Signature(Any, takes_payload=False, wants_job=True)),
        (asynchronous, Signature(str, takes_payload=True, wants_job=True)),
    ],
)
def test_the_first_parameter_is_the_payload_and_the_second_the_job(
    function: Callable[..., Any], signature: Signature
) -> None:
    assert read_signature(function) == signature


def test_a_decorated_function_is_read_through_its_decorator() -> None:
    @functools.wraps(payload_and_job)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        payload_and_job(*args, **kwargs)

    assert read_signature(wrapper) == Signature(int, takes_payload=True, wants_job=True)


def test_a_return_annotation_that_only_checkers_can_resolve_does_no_harm() -> None:
    def lazy(payload: int) -> "Missing": ...  # type: ignore[name-defined]  # noqa: F821 - the point of the test

    assert read_signature(lazy).payload_type is int


def job_first(job: Job, payload: int) -> None: ...
def three_required(payload: int, job: Job, extra: int) -> None: ...
def second_is_no_job(payload: int, width: int) -> None: ...
def required_keyword(payload: int, *, job: Job) -> None: ...
def stars_only(*args: Any, **kwargs: Any) -> None: ...
def unresolvable(payload: "Missing") -> None: ...  # type: ignore[name-defined]  # noqa: F821 - the point of the test
def generator(payload: int) -> Iterator[int]:
    yield payload


async def async_generator(payload: int) -> AsyncIterator[int]:
    yield payload


class Callables:
    def method(self, payload: int) -> None: ...
    def __call__(self, payload: int) -> None: ...
    @staticmethod
    def static(payload: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (job_first, "has a parameter `payload` that nothing fills"),
        (three_required, "has a parameter `extra` that nothing fills"),
        (second_is_no_job, "has a parameter `width` that nothing fills"),
        (required_keyword, "has a parameter `job` that nothing fills"),
        (stars_only, r"takes \*args only: name its payload, or use functools.wraps in its decorator"),
        (unresolvable, "has an annotation that does not resolve: NameError: name 'Missing' is not defined"),
        (generator, "is a generator: a handler returns its result"),
        (async_generator, "is a generator: a handler returns its result"),
        (Callables, "is not a function but a type: wrap it in a function"),
        (Callables(), "is not a function but a Callables: wrap it in a function"),
        (Callables().method, "is not a function but a method: wrap it in a function"),
        (Callables.method, "is a method: a handler is a function outside of classes"),
        (functools.partial(only_payload, 1), "is not a function but a partial: wrap it in a function"),
        (len, "is not a function but a builtin_function_or_method: wrap it in a function"),
    ],
)
def test_what_cannot_be_called_with_a_payload_and_a_job_is_refused(function: Callable[..., Any], sentence: str) -> None:
    with pytest.raises(InvalidDeclaration, match=sentence):
        read_signature(function)


def test_a_static_method_is_a_function() -> None:
    assert read_signature(Callables.static).payload_type is int
