"""`jobworker submit`: one job, or one for each line of a file."""

import sys
from collections.abc import Callable
from typing import Any, BinaryIO, Final

import click
import msgspec

from jobworker.cli.options import finite, warn, with_settings
from jobworker.cli.output import print_json
from jobworker.store.configuration import Loaded


def _key(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    from jobworker.store.idempotency import ALLOWED_KEY, is_idempotency_key

    if value is not None and not is_idempotency_key(value):
        raise click.BadParameter(f"it must be {ALLOWED_KEY}")
    return value


def _number(name: str, text: str) -> Callable[[Any], Any]:
    return click.option(name, type=float, callback=finite, metavar="SECONDS", help=text)


#: What a request for a job may say besides type and payload; the API knows the ranges.
_JOB_OPTIONS: Final = (
    click.option("--priority", type=int, metavar="1..10", help="10 is the highest.  [default: 5]"),
    click.option("--queue", metavar="NAME", help="The queue it waits in."),
    _number("--delay", "Start it no sooner than after this time."),
    click.option("--run-at", metavar="TIME", help="Start it no sooner than then (RFC 3339, with offset)."),
    click.option(
        "--expires-at", metavar="TIME", help="Do not start it for the first time after this (RFC 3339, with offset)."
    ),
    _number("--timeout", "Kill an attempt after this time."),
    click.option("--max-attempts", type=int, metavar="N", help="Failed attempts after which it has failed."),
    click.option("--max-crashes", type=int, metavar="N", help="Crashes of its worker after which it has failed."),
    click.option(
        "--unique-key",
        metavar="KEY",
        help="Submit no job while one with this key waits or runs, and print that one's id.",
    ),
    click.option(
        "--on-conflict", type=click.Choice(["return", "reject"]), help="Whether that is an error.  [default: return]"
    ),
    click.option(
        "--tag", "tags", multiple=True, metavar="TAG", help="By which it can be found; may be given ten times."
    ),
    click.option("--memory-limit-mb", type=int, metavar="MIB", help="Kill an attempt that uses more memory."),
)


def _job_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_JOB_OPTIONS):
        command = option(command)
    return command


@click.command()
@click.argument("type_", metavar="TYPE", required=False)
@click.argument("payload", metavar="[PAYLOAD|-]", required=False)
@_job_options
@click.option(
    "--idempotency-key",
    callback=_key,
    metavar="KEY",
    help="Submit no second job where one was submitted with this key, and print the first one's id.",
)
@click.option(
    "--lines",
    type=click.File("rb"),
    metavar="FILE|-",
    help="Submit a job for each line, a JSON object as for POST /jobs; what a line leaves out comes from here.",
)
@click.option("--wait", is_flag=True, help="Wait until it has ended and print its result.")
@click.option("--follow", is_flag=True, help="Likewise, and meanwhile show on stderr what it prints.")
@click.option("--json", "as_json", is_flag=True, help="Print the API's answer.")
@with_settings("client")
def submit(
    loaded: Loaded,
    type_: str | None,
    payload: str | None,
    *,
    idempotency_key: str | None,
    lines: BinaryIO | None,
    wait: bool,
    follow: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Submit a job of TYPE with the JSON text PAYLOAD (-: from standard input), and print its id.

    With --lines there is no PAYLOAD, and no TYPE either where each line names its own.
    """
    from jobworker.cli.http import ApiClient

    warn(loaded)
    body = {name: value for name, value in {"type": type_, **options}.items() if value not in (None, ())}
    with ApiClient(loaded.settings.client) as client:
        if lines is not None:
            if payload is not None or wait or follow or idempotency_key is not None:
                raise click.UsageError("--lines goes with neither PAYLOAD nor --wait, --follow or --idempotency-key")
            from jobworker.cli.bulk import submit_lines

            return submit_lines(client, lines, body, print_job=_printer(as_json=as_json))
        if type_ is None:
            raise click.MissingParameter(param_hint="'TYPE'", param_type="argument")
        if payload is not None:
            body["payload"] = _json_text(payload)
        answer = client.post("/jobs", body, idempotency_key=idempotency_key)
        if follow:
            from jobworker.cli.following import show_until_ended

            show_until_ended(client, answer["id"])
        if wait or follow:
            from jobworker.cli.waiting import wait_and_print

            return wait_and_print(client, answer["id"], as_json=as_json)
        _printer(as_json=as_json)(answer)
        return 0


def _printer(*, as_json: bool) -> Callable[[dict[str, Any]], None]:
    return print_json if as_json else lambda answer: click.echo(answer["id"])


def _json_text(payload: str) -> msgspec.Raw:
    text = _standard_input() if payload == "-" else payload
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        from jobworker.api.payload import why_not_json

        hint = "" if payload == "-" else """; in a shell quote it, as in '{"n": 1}' or '"text"'"""
        raise click.UsageError(f"PAYLOAD is not JSON: {why_not_json(text.encode(), error)}{hint}") from None
    # As it was written: decoding and encoding would change numbers that have no exact float.
    return msgspec.Raw(text)


def _standard_input() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        raise click.UsageError("PAYLOAD is not UTF-8") from None
