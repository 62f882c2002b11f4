"""Handlers made of the tables of a file."""

import difflib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Raw, Struct

from jobworker.handlers.context import Job
from jobworker.handlers.declaration import Declaration, read_options, require_type
from jobworker.handlers.errors import InvalidDeclaration
from jobworker.handlers.foreign.payload import PayloadSchema, read_schema
from jobworker.handlers.foreign.program import Program
from jobworker.handlers.foreign.secret import Secret
from jobworker.handlers.foreign.tables import read_tables
from jobworker.handlers.registry import Handler, Registry

Function = Callable[[Raw, Job], Raw | None]
#: The bytes of a payload in, those of a result out; None: nothing.
Run = Callable[[bytes, Job], Raw | None]


class ForeignTable(Struct, frozen=True, kw_only=True):
    """What both kinds say of themselves, besides the options of `@handler`. Paths are relative to the file's folder."""

    description: str = ""
    #: A JSON Schema, or the name of its file; None: any JSON.
    schema: dict[str, Any] | Annotated[str, Meta(min_length=1)] | None = None


class ExecTable(ForeignTable, frozen=True, kw_only=True):
    """A program: no shell, its arguments as they are."""

    command: Annotated[tuple[str, ...], Meta(min_length=1)]
    env: dict[str, str] = {}
    cwd: str = "."

    def build(self, folder: Path) -> Run:
        """Return what runs a job. Raises InvalidDeclaration if there is no such program."""
        return Program.find(self.command, folder, folder / self.cwd, self.env).run


class HttpTable(ForeignTable, frozen=True, kw_only=True):
    """A service."""

    url: str
    headers: dict[str, str | Secret] = {}
    #: Whether it may be on this host or in a private network.
    allow_private: bool = False
    #: Certificates that are trusted in place of the system's: the name of their file.
    ca: str | None = None

    def build(self, folder: Path) -> Run:
        """Return what runs a job; nothing is asked of the network yet. Raises InvalidDeclaration."""
        # Imported where there is one: TLS takes its time and its memory in each worker.
        from jobworker.handlers.foreign.endpoint import tls_context
        from jobworker.handlers.foreign.headers import Headers
        from jobworker.handlers.foreign.service import Service
        from jobworker.handlers.foreign.url import Url

        url = Url.read(self.url)
        if not self.allow_private:
            url.require_public()
        headers = Headers(self.headers, folder)
        headers.check()
        tls = tls_context(folder / self.ca if self.ca else None) if url.scheme == "https" else None
        return Service(url, headers, self.allow_private, tls).call


_KINDS: Final[Mapping[str, type[ExecTable] | type[HttpTable]]] = {"exec": ExecTable, "http": HttpTable}


def declare_tables(file: Path, registry: Registry) -> list[Path]:
    """Declare the handlers of a file; return the files that they were read from. Raises HandlerError."""
    files = {file: None}
    for section, tables in read_tables(file).items():
        for handler_type, table in tables.items():
            registry.add(_declared(section, handler_type, table, file))
            schema = table.get("schema")
            if isinstance(schema, str):
                files[file.parent / schema] = None
    return list(files)


def _declared(section: str, handler_type: str, given: Mapping[str, Any], file: Path) -> Handler:
    location = f'{file} [{section}."{handler_type}"]'
    try:
        require_type(handler_type)
        return _handler(handler_type, _KINDS[section], given, file.parent, location)
    except InvalidDeclaration as error:
        # One sentence that names the culprit, whichever check refused it.
        raise InvalidDeclaration(f"handler {handler_type} ({location}) {error}") from None


def _handler(
    handler_type: str, kind: type[ExecTable] | type[HttpTable], given: Mapping[str, Any], folder: Path, location: str
) -> Handler:
    options, own = _told_apart(given, kind)
    table = read_options(own, kind)
    schema = None if table.schema is None else read_schema(table.schema, folder)
    return Handler(
        type=handler_type,
        function=_function(table.build(folder), schema),
        declaration=Declaration.read(options),
        payload_type=Raw,
        takes_payload=True,
        wants_job=True,
        is_async=False,
        description=table.description.partition("\n")[0],
        location=location,
        decoder=msgspec.json.Decoder(Raw),
        schema=schema,
    )


def _told_apart(given: Mapping[str, Any], kind: type[ForeignTable]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options that any handler has, and the keys of this kind. Raises InvalidDeclaration for others."""
    allowed = {*Declaration.__struct_fields__, *kind.__struct_fields__}
    for key in given:
        if key not in allowed:
            raise InvalidDeclaration(f"has no key {key} ({_hint(key, given[key], allowed)})")
    options = {key: value for key, value in given.items() if key in Declaration.__struct_fields__}
    return options, {key: value for key, value in given.items() if key not in options}


def _hint(key: str, value: object, allowed: Collection[str]) -> str:
    if isinstance(value, dict):
        return "a type with a dot in it stands in quotes"
    close = difflib.get_close_matches(key, allowed, n=1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(allowed))}"


def _function(run: Run, schema: dict[str, Any] | None) -> Function:
    check = None if schema is None else PayloadSchema(schema).check

    def function(payload: Raw, job: Job) -> Raw | None:
        document = bytes(payload)
        if check is not None:
            check(document)
        return run(document, job)

    return function
