"""A job for each line of a file."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

import click
import msgspec
from msgspec import Raw

from jobworker.api.payload import why_not_json
from jobworker.cli.errors import Failed, NotReachable, Refused
from jobworker.cli.http import ApiClient
from jobworker.cli.progress import followed


def submit_lines(
    client: ApiClient, source: BinaryIO, defaults: dict[str, Any], *, print_job: Callable[[dict[str, Any]], None]
) -> int:
    """Submit a job for each line; a refused one is reported and the rest goes on. Return the exit code."""
    submitted = refused = 0
    for number, line in _numbered(followed(source)):
        try:
            print_job(client.post("/jobs", _body(line, defaults)))
            submitted += 1
        except (Failed, Refused) as error:
            refused += 1
            click.echo(f"jobworker: line {number}: {error.message}", err=True)
        except NotReachable as error:
            raise NotReachable(f"stopped at line {number}: {error.message}") from None
    if refused:
        click.echo(f"jobworker: {submitted} submitted, {refused} refused", err=True)
    return 1 if refused else 0


def _numbered(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    return ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def _body(line: bytes, defaults: dict[str, Any]) -> dict[str, Any]:
    try:
        body = {**defaults, **msgspec.json.decode(line, type=dict[str, Raw])}
    except UnicodeDecodeError as error:
        raise Failed(f"not a JSON object: {error}") from None
    except msgspec.DecodeError as error:
        raise Failed(f"not a JSON object: {why_not_json(line, error)}") from None
    # To the API it would be a job of the default type, which nobody means who submits lines.
    if "type" not in body:
        raise Failed("it names no type; name one there, or TYPE for all lines that do not")
    return body
