import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from jobworker.handlers import Fail, testing
from jobworker.handlers.errors import InvalidPayload
from jobworker.handlers.registry import Registry
from jobworker.handlers.schema import schema_of
from tests.unit.examples.conftest import FOLDER

SOURCE = '''\
"""Docstring.  # no comment"""

# A comment.
class Shop:
    def sell(self, price):  # another
        def discount(amount):
            return amount if amount > 3 and price else 0

        for number in range(3):
            if number:
                with open("x"):
                    pass
            elif price or number or discount(3):
                pass
        return [n for n in (1, 2) if n]


async def close():
    try:
        pass
    except ValueError:
        pass
    finally:
        while True:
            break
'''


def test_lines_functions_and_classes_are_counted(metrics: Registry, tmp_path: Path) -> None:
    file = tmp_path / "shop.py"
    file.write_text(SOURCE)

    result = testing.run("metrics.file", {"path": str(file)}, registry=metrics)

    assert result == {
        "path": str(file),
        "parsed": True,
        "size": {"lines": 25, "code_lines": 20, "comment_lines": 2, "comment_ratio": 0.095},
        "functions": 3,
        "classes": 1,
        # 1, the loop, if and elif, two `or`, the comprehension.
        "most_complex": {"name": "Shop.sell", "lines": 11, "complexity": 7, "nesting": 3},
        "longest": {"name": "Shop.sell", "lines": 11, "complexity": 7, "nesting": 3},
        "deepest": {"name": "Shop.sell", "lines": 11, "complexity": 7, "nesting": 3},
    }


@pytest.mark.parametrize("source", ["", "\n", "# only a comment"])
def test_a_file_without_functions_has_no_peaks(metrics: Registry, tmp_path: Path, source: str) -> None:
    file = tmp_path / "bare.py"
    file.write_text(source)

    result = testing.run("metrics.file", {"path": str(file)}, registry=metrics)

    assert (result["parsed"], result["functions"], result["most_complex"]) == (True, 0, None)


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (b"print 'a'\n", "SyntaxError: Missing parentheses"),
        (b"# -*- coding: uft-8 -*-\n", "SyntaxError: "),
        (b"a = '\xff'\n", "SyntaxError: "),
        (b"a = 1\0\n", ""),
        (b"(" * 5_000, ""),
        (b"a = " + b"-" * 50_000 + b"1\n", ""),
        (b" a = 1\n", "IndentationError: unexpected indent"),
    ],
)
def test_a_file_that_does_not_parse_is_a_finding(metrics: Registry, tmp_path: Path, source: bytes, why: str) -> None:
    file = tmp_path / "broken.py"
    file.write_bytes(source)

    result = testing.run("metrics.file", {"path": str(file)}, registry=metrics)

    assert result["parsed"] is False
    assert result["why"].startswith(why)
    assert result["why"]


def test_a_file_in_another_encoding_is_measured(metrics: Registry, tmp_path: Path) -> None:
    file = tmp_path / "latin.py"
    file.write_bytes("# -*- coding: latin-1 -*-\na = 'é'\n".encode("latin-1"))

    assert testing.run("metrics.file", {"path": str(file)}, registry=metrics)["size"]["lines"] == 2


def test_a_file_that_is_not_there_fails_for_good(metrics: Registry, tmp_path: Path) -> None:
    with pytest.raises(Fail, match=r"gone.py cannot be read: No such file or directory$"):
        testing.run("metrics.file", {"path": str(tmp_path / "gone.py")}, registry=metrics)


def test_a_job_without_a_path_is_refused_at_the_door(metrics: Registry) -> None:
    with pytest.raises(InvalidPayload, match="missing required field `path`"):
        testing.run("metrics.file", {}, registry=metrics)
    handler = metrics.get("metrics.file")
    assert handler is not None
    assert schema_of(handler)["$defs"]["File"]["required"] == ["path"]


def test_a_sample_of_the_standard_library_is_measured(metrics: Registry) -> None:
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))[::8]

    results = [testing.run("metrics.file", {"path": str(file)}, registry=metrics) for file in files]

    assert len(results) > 10
    assert all(result["parsed"] for result in results)
    assert any(result["most_complex"] for result in results)


def test_the_naive_handler_counts_comments_made_of_words(metrics: Registry, tmp_path: Path) -> None:
    file = tmp_path / "calm.py"
    file.write_text("# made of words\n# not, of words.\na = 1  # behind code\n#\n")

    assert testing.run("metrics.naive", {"path": str(file)}, registry=metrics)["wordy_comments"] == 2


def test_the_naive_handler_hangs_on_a_checksum(tmp_path: Path) -> None:
    code = f"""
import sys
sys.path.insert(0, {str(FOLDER)!r})
from pathlib import Path
import handlers, run
from jobworker.handlers import testing
task = run.hanging_task(Path({str(tmp_path)!r}))
print("ready", flush=True)
testing.run(task.type, task.body["payload"])
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        process.kill()
