"""What a file of declarations says, and what is refused when it is read."""

import logging
import os
from pathlib import Path

import pytest

from jobworker.handlers.errors import HandlerError, InvalidDeclaration, InvalidPayload, LoadFailed
from jobworker.handlers.foreign.tables import masked, read_tables
from jobworker.handlers.loading import digest_of, load
from jobworker.handlers.registry import Registry
from jobworker.handlers.schema import schema_of
from tests.unit.handlers.foreign.conftest import Declarations

EXEC = '[exec."report.build"]\ncommand = ["cat"]\n'


def test_a_table_has_the_options_of_any_handler(declarations: Declarations) -> None:
    options = 'timeout = 30\nmax_attempts = 5\nqueue = "reports"\npriority = 7\nbackoff = {base = 2.5}\n'
    handler = declarations.handler(EXEC + options + 'description = "Builds a report.\\nSlowly."\n')
    assert (handler.type, handler.description) == ("report.build", "Builds a report.")
    assert handler.location == f'{declarations.file} [exec."report.build"]'
    declared = handler.declaration
    assert (declared.timeout, declared.max_attempts, declared.queue, declared.priority) == (30, 5, "reports", 7)
    assert declared.backoff is not None
    assert declared.backoff.base == 2.5
    assert schema_of(handler) == {}


@pytest.mark.parametrize("where", ["table", "file"])
def test_a_schema_is_published_and_kept(declarations: Declarations, where: str) -> None:
    schema = (
        '{"type": "object", "required": ["n"], "properties": {"n": {"type": "array", "items": {"type": "number"}}}}'
    )
    (declarations.folder / "order.json").write_text(schema)
    in_toml = schema.replace('":', '" =')
    given = "order.json" if where == "file" else None
    declarations.declare(f'[exec."t"]\ncommand = ["cat"]\nschema = {in_toml if given is None else repr(given)}\n')
    (handler,) = declarations.registry.all()
    assert schema_of(handler)["required"] == ["n"]
    assert declarations.run({"n": [1]}) == {"n": [1]}
    with pytest.raises(
        InvalidPayload, match=r'^the payload does not fit its schema: "x" is not of type "number" - at `\$.n\[1\]`$'
    ):
        declarations.run({"n": [1, "x"]})
    with pytest.raises(InvalidPayload, match="required"):
        declarations.run({})
    with pytest.raises(InvalidPayload, match=r"\(a request without payload counts as null\)$"):
        declarations.run(None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[exec."t"]\n', "is declared wrongly: Object missing required field `command`"),
        ('[exec."t"]\ncommand = "cat x"\n', "is declared wrongly: Expected `array`, got `str`, in its `command`"),
        ('[exec."t"]\ncommand = []\n', "is declared wrongly: Expected `array` of length >= 1, in its `command`"),
        ('[exec."t"]\ncommand = ["cat"]\ntimeout = 0\n', "is declared wrongly: .*, in its `timeout`"),
        ('[exec."t"]\ncommand = ["cat"]\ntiemout = 3\n', r"has no key tiemout \(did you mean timeout\?\)"),
        ('[exec."t"]\ncommand = ["cat"]\nurl = "x"\n', r"has no key url \(there are backoff, command, cwd, "),
        ('[exec."a b"]\ncommand = ["cat"]\n', "has no valid name"),
        ('[exec."t"]\ncommand = ["no-such-program"]\n', r"runs no-such-program, which is not on PATH; .*\./no-such"),
        ('[exec."t"]\ncommand = ["./absent"]\n', "runs .*/absent, which does not exist"),
        ('[exec."t"]\ncommand = ["./jobworker.toml"]\n', "runs .*toml, which may not be executed: chmod [+]x "),
        ('[exec."t"]\ncommand = ["./folder"]\n', "runs .*/folder, which is not a file"),
        ('[exec."t"]\ncommand = ["cat"]\ncwd = "absent"\n', "is to run in .*/absent, which is not a folder"),
        ('[exec."t"]\ncommand = ["cat"]\nschema = "absent"\n', "names the schema .*/absent, which cannot be read"),
        ('[exec."t"]\ncommand = ["cat"]\nschema = "jobworker.toml"\n', "names the schema .*, which is no JSON object"),
        ('[exec."t"]\ncommand = ["cat"]\nschema = {type = 5}\n', "has a schema that is none: 5 is not valid"),
        (
            '[exec."t"]\ncommand = ["cat"]\nschema = {"$ref" = "http://x"}\n',
            "has a payload schema that refers to http://x; only #/... is",
        ),
        ("[exec.report.build]\ncommand = ['cat']\n", r"has no key build \(a type with a dot in it stands in quotes\)"),
        ('[http."t"]\nurl = "ftp://x"\n', "has no valid url: it begins with https://"),
        ('[http."t"]\nurl = "http://x y"\n', "has no valid url"),
        ('[http."t"]\nurl = "http://x:99999"\n', "has no valid url: Port out of range"),
        ('[http."t"]\nurl = "http://me:secret@x"\n', "has a user in its url: give headers"),
        ('[http."t"]\nurl = "http://127.0.0.1"\n', "has 127.0.0.1 in its url, which is loopback: allow_private = true"),
        ('[http."t"]\nurl = "http://[::1]:80/"\n', "has ::1 in its url, which is loopback"),
        ('[http."t"]\nurl = "https://x"\nca = "absent"\n', "names the certificates .*/absent, which cannot be read"),
        ('[http."t"]\nurl = "http://x"\nheaders = {"a b" = "c"}\n', "has a header 'a b', which is no name"),
        (
            '[http."t"]\nurl = "http://x"\nheaders = {HOST = "c"}\n',
            "has a header HOST, which every request has already",
        ),
        (
            '[http."t"]\nurl = "http://x"\nheaders = {A = "secret\\n"}\n',
            "has a header A whose value cannot be sent: line",
        ),
        ('[http."t"]\nurl = "http://x"\nheaders = {A = {}}\n', "has a header A that needs one of env = … and file = …"),
        (
            '[http."t"]\nurl = "http://x"\nheaders = {A = {env = "NO_SUCH"}}\n',
            "has a header A that names NO_SUCH, which the",
        ),
    ],
)
def test_what_is_declared_wrongly_is_one_sentence_with_type_and_place(
    declarations: Declarations, text: str, sentence: str
) -> None:
    (declarations.folder / "folder").mkdir()
    with pytest.raises(
        InvalidDeclaration, match=rf"^handler (t|a b|report) \(.*jobworker.toml \[.*\]\) {sentence}"
    ) as caught:
        declarations.declare(text)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[exec", "is not TOML: .*end of document"),
        ("exec = 5", r'has something else than tables in \[exec\] or \[http\]: write \[exec."a.type"\]'),
        ("[exec]\ncommand = ['cat']", "has something else than tables"),
    ],
)
def test_a_file_that_cannot_be_read_as_such_is_one_sentence(
    declarations: Declarations, text: str, sentence: str
) -> None:
    with pytest.raises(LoadFailed, match=f"^handlers file {declarations.file} {sentence}"):
        declarations.declare(text)


def test_a_type_that_is_declared_twice_is_refused_with_both_places(workplace: Path) -> None:
    (workplace / "work.py").write_text("from jobworker.handlers import handler\n@handler('t')\ndef f(): pass\n")
    (workplace / "a.toml").write_text('[exec."t"]\ncommand = ["cat"]\n')
    (workplace / "b.toml").write_text('[http."t"]\nurl = "http://x"\n')
    (workplace / "c.toml").write_text('[exec."u"]\ncommand = ["cat"]\n[http."u"]\nurl = "http://x"\n')
    for names, places in (
        (["work.py", "a.toml"], rf'{workplace}/work.py:2, {workplace}/a.toml \[exec."t"\]'),
        (["a.toml", "b.toml"], rf'{workplace}/a.toml \[exec."t"\], {workplace}/b.toml \[http."t"\]'),
        (["c.toml"], rf'{workplace}/c.toml \[exec."u"\], {workplace}/c.toml \[http."u"\]'),
    ):
        with pytest.raises(LoadFailed, match=f"^handler [tu] is declared twice: {places}$"):
            load(names, Registry())


def test_a_file_is_loaded_like_a_module_and_named_twice_it_counts_once(workplace: Path) -> None:
    file = workplace / "jobworker.toml"
    file.write_text('[exec."t"]\ncommand = ["cat"]\nschema = "s.json"\n[redis]\nprefix = "x"\n')
    (workplace / "s.json").write_text("{}")
    registry = Registry()
    assert load(["jobworker.toml", str(file)], registry) == [file, workplace / "s.json"]
    assert [known.type for known in registry.all()] == ["echo", "sleep", "t"]
    for name in ("absent.toml", "folder.toml"):
        (workplace / "folder.toml").mkdir(exist_ok=True)
        with pytest.raises(LoadFailed, match=f"handlers file {name} (does not exist|is not a file)"):
            load([name], Registry())


@pytest.mark.parametrize(("name", "meant"), [("exe", "exec"), ("execs", "exec"), ("https", "http")])
def test_a_table_whose_name_is_nearly_right_is_refused(declarations: Declarations, name: str, meant: str) -> None:
    with pytest.raises(HandlerError, match=rf"has a table \[{name}\]: did you mean \[{meant}\]"):
        declarations.declare(f'[{name}."t"]\ncommand = ["cat"]\n')


def test_the_digest_counts_declarations_and_schemas_and_no_settings(workplace: Path) -> None:
    def digest(text: str, schema: str = "{}") -> str:
        (workplace / "jobworker.toml").write_text(text)
        (workplace / "s.json").write_text(schema)
        return digest_of(load(["jobworker.toml"], Registry()))

    table = '[exec."t"]\ncommand = ["cat"]\nschema = "s.json"\n'
    first = digest(table)
    assert digest(f"# a remark\n{table}[redis]\nprefix = 'x'\n") == first
    assert digest(table.replace('"cat"', '"cat", "-u"')) != first
    assert digest(table, '{"type": "object"}') != first


def test_a_file_without_handlers_is_loaded_with_a_warning(workplace: Path, caplog: pytest.LogCaptureFixture) -> None:
    (workplace / "empty.toml").write_text("[redis]\nprefix = 'x'\n")
    with caplog.at_level(logging.WARNING, "jobworker"):
        load(["empty.toml"], Registry())
    assert [record.getMessage() for record in caplog.records] == ["empty.toml declares no handler"]


def test_headers_and_environment_are_shown_masked(declarations: Declarations) -> None:
    declarations.file.write_text(
        '[exec.a]\ncommand = ["cat"]\nenv = {KEY = "pw"}\n[http.b]\nurl = "http://x"\nheaders = {A = "pw"}\n'
    )
    shown = [masked(table) for tables in read_tables(declarations.file).values() for table in tables.values()]
    assert shown == [
        {"command": ["cat"], "env": {"KEY": "***"}},
        {"url": "http://x", "headers": {"A": "***"}},
    ]


def test_a_file_that_may_not_be_read_is_one_sentence(declarations: Declarations) -> None:
    os.mkdir(declarations.file)
    with pytest.raises(HandlerError, match="cannot be read: Is a directory"):
        read_tables(declarations.file)
