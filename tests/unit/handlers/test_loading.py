import logging
import sys
from pathlib import Path

import pytest

from jobworker.handlers import HandlerError, testing
from jobworker.handlers.errors import LoadFailed
from jobworker.handlers.loading import digest_of, load
from jobworker.handlers.registry import Registry

HANDLER = "from jobworker.handlers import handler\n\n@handler('{name}')\ndef function():\n    return {value!r}\n"


def test_the_builtin_handlers_are_loaded_first_and_always(workplace: Path) -> None:
    registry = Registry()

    assert load([], registry) == []
    assert [known.type for known in registry.all()] == ["echo", "sleep"]


def test_a_file_is_loaded_by_its_path(workplace: Path) -> None:
    file = _write(workplace / "jobs" / "images.py", HANDLER.format(name="resize", value=1))
    registry = Registry()

    assert load(["./jobs/images.py"], registry) == [file]
    assert testing.run("resize", registry=registry) == 1


def test_a_dotted_module_is_loaded_from_the_current_directory(workplace: Path) -> None:
    _write(workplace / "shop" / "__init__.py", "")
    file = _write(workplace / "shop" / "jobs.py", HANDLER.format(name="resize", value=1))
    registry = Registry()

    assert load(["shop.jobs"], registry) == [file]
    assert testing.run("resize", registry=registry) == 1


def test_several_modules_are_loaded_in_order_and_each_once(workplace: Path) -> None:
    first = _write(workplace / "first.py", HANDLER.format(name="first", value=1))
    second = _write(workplace / "second.py", HANDLER.format(name="second", value=2))

    assert load(["second.py", "first", "second.py", "second"], Registry()) == [second, first]


def test_a_file_imports_its_siblings(workplace: Path) -> None:
    _write(workplace / "jobs" / "sizes.py", "LARGE = 800\n")
    _write(workplace / "jobs" / "images.py", "from sizes import LARGE\n" + HANDLER.format(name="resize", value=1))

    load(["jobs/images.py"], Registry())

    assert sys.modules["images"].LARGE == 800


def test_a_sibling_that_imports_the_file_finds_it(workplace: Path) -> None:
    _write(workplace / "jobs" / "images.py", HANDLER.format(name="resize", value=1) + "import other\n")
    _write(workplace / "jobs" / "other.py", "import images\nimages.function\n")

    load(["jobs/images.py"], Registry())

    assert sys.modules["other"].images is sys.modules["images"]


def test_two_files_of_one_name_are_two_modules(workplace: Path) -> None:
    _write(workplace / "a" / "jobs.py", HANDLER.format(name="a", value=1))
    _write(workplace / "b" / "jobs.py", HANDLER.format(name="b", value=2))
    registry = Registry()

    load(["a/jobs.py", "b/jobs.py"], registry)

    assert testing.run("a", registry=registry) == 1
    assert testing.run("b", registry=registry) == 2


def test_a_file_named_like_a_standard_module_does_not_take_its_place(workplace: Path) -> None:
    _write(workplace / "jobs" / "json.py", HANDLER.format(name="a", value=1))
    standard = sys.modules["json"]

    load(["jobs/json.py"], Registry())

    assert sys.modules["json"] is standard


def test_an_edit_within_a_second_and_of_equal_size_is_seen(workplace: Path) -> None:
    registry = Registry()
    for value in (1, 2):
        _write(workplace / "jobs.py", HANDLER.format(name="resize", value=value))
        load(["jobs.py"], registry)
        assert testing.run("resize", registry=registry) == value
        del sys.modules["jobs"]


def test_a_module_without_handlers_is_loaded_with_a_warning(workplace: Path, caplog: pytest.LogCaptureFixture) -> None:
    _write(workplace / "empty.py", "")
    _write(workplace / "full.py", HANDLER.format(name="resize", value=1))

    with caplog.at_level(logging.WARNING, "jobworker"):
        load(["full.py", "empty.py", "full.py"], Registry())

    assert [record.getMessage() for record in caplog.records] == ["empty.py declares no handler"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("./absent.py", "handlers file ./absent.py does not exist"),
        ("folder.py", "handlers file folder.py is not a file"),
        ("./folder", "'./folder' is neither a dotted module nor a .py or .toml file"),
        ("", "'' is neither a dotted module nor a .py or .toml file"),
        ("no_such_module", "module no_such_module does not import: ModuleNotFoundError: No module named"),
    ],
)
def test_a_name_that_leads_nowhere_is_one_sentence(workplace: Path, name: str, sentence: str) -> None:
    (workplace / "folder.py").mkdir()

    with pytest.raises(LoadFailed) as caught:
        load([name], Registry())

    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)
    assert caught.value.traceback is None


@pytest.mark.parametrize("name", ["broken.py", "broken"])
@pytest.mark.parametrize(
    ("source", "sentence", "last_line"),
    [
        ("import bar_that_is_not\n", "ModuleNotFoundError: No module named 'bar_that_is_not'", None),
        ("def f(:\n", "SyntaxError: invalid syntax (broken.py, line 1)", "SyntaxError: invalid syntax"),
        ("raise SystemExit(3)\n", "SystemExit: 3", None),
        ("raise KeyboardInterrupt\n", "KeyboardInterrupt", None),
        ("1 / 0\n", "ZeroDivisionError: division by zero", None),
    ],
)
def test_a_module_that_does_not_import_is_one_sentence_and_the_authors_traceback(
    workplace: Path, name: str, source: str, sentence: str, last_line: str | None
) -> None:
    _write(workplace / "broken.py", source)

    with pytest.raises(LoadFailed) as caught:
        load([name], Registry())

    subject = "handlers file broken.py" if name.endswith(".py") else "module broken"
    assert str(caught.value) == f"{subject} does not import: {sentence}"
    traceback = caught.value.traceback
    assert traceback is not None
    assert f'File "{workplace / "broken.py"}", line 1' in traceback
    assert traceback.rstrip().splitlines()[-1] == (last_line or sentence)
    assert "importlib" not in traceback
    assert "loading.py" not in traceback


def test_a_traceback_through_a_sibling_shows_both_files(workplace: Path) -> None:
    _write(workplace / "jobs.py", "import sibling\n")
    _write(workplace / "sibling.py", "def f():\n    return 1 / 0\nf()\n")

    with pytest.raises(LoadFailed) as caught:
        load(["jobs.py"], Registry())

    files = [line.split('"')[1] for line in (caught.value.traceback or "").splitlines() if "File" in line]
    assert [Path(file).name for file in files] == ["jobs.py", "sibling.py", "sibling.py"]


def test_a_file_that_did_not_import_is_tried_afresh(workplace: Path) -> None:
    file = _write(workplace / "jobs.py", "1 / 0\n")
    with pytest.raises(LoadFailed):
        load(["jobs.py"], Registry())
    _write(file, HANDLER.format(name="resize", value=1))

    assert load(["jobs.py"], Registry()) == [file]


def test_a_refused_declaration_is_told_as_it_is(workplace: Path) -> None:
    file = _write(workplace / "jobs.py", HANDLER.format(name="a/b", value=1))

    with pytest.raises(LoadFailed, match=rf"^handler a/b \({file}:3\) has no valid name") as caught:
        load(["jobs.py"], Registry())

    assert caught.value.traceback is None


def test_a_name_declared_in_two_files_is_one_sentence_with_both(workplace: Path) -> None:
    _write(workplace / "a.py", HANDLER.format(name="resize", value=1))
    _write(workplace / "b.py", HANDLER.format(name="resize", value=2))

    with pytest.raises(HandlerError) as caught:
        load(["a.py", "b.py"], Registry())

    assert str(caught.value) == (f"handler resize is declared twice: {workplace / 'a.py'}:3, {workplace / 'b.py'}:3")


def test_a_digest_tells_content_not_place(tmp_path: Path) -> None:
    one, two = _write(tmp_path / "one.py", "a = 1\n"), _write(tmp_path / "two.py", "b = 2\n")
    moved = _write(tmp_path / "elsewhere" / "three.py", "b = 2\n")

    assert digest_of([one, two]) == digest_of([two, one]) == digest_of([one, moved])
    assert digest_of([one, two]) != digest_of([one])
    assert digest_of([]) != digest_of([one])


def test_a_digest_changes_with_the_source(tmp_path: Path) -> None:
    file = _write(tmp_path / "one.py", "a = 1\n")
    before = digest_of([file])
    _write(file, "a = 2\n")

    assert digest_of([file]) != before


def test_a_digest_of_a_file_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(LoadFailed, match=r"gone.py cannot be read: No such file or directory$"):
        digest_of([tmp_path / "gone.py"])


def _write(file: Path, source: str) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_text(source)
    return file
