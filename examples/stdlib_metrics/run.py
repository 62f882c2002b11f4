"""Submit every Python file of the standard library over HTTP, watch the jobs, and print what they found.

First, in another terminal: jobworker up --handlers examples/stdlib_metrics/handlers.py
"""

import argparse
import http.client
import json
import sys
import sysconfig
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

#: Fewer files than this, as where a distribution has left the tests out, and the installed packages come along.
ENOUGH_FILES = 1000
#: How many jobs are asked for in a row before the results' rate is looked at.
ROUND = 64
PAUSE_SECONDS = 0.2
ENDED = {"succeeded", "failed", "cancelled", "expired"}

#: A checksum in a comment, and a full stop behind it: harmless to read, and for the regular expression of
#: `metrics.naive` a matter of 2**64 steps.
HANGING_SOURCE = """\
# The archive was built from the release whose checksum is
# e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.
RELEASE = "2026.11"
"""

Answer = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """A job to submit."""

    type: str
    file: Path
    priority: int
    options: dict[str, Any]

    @property
    def body(self) -> dict[str, Any]:
        """The body of `POST /jobs`."""
        payload = {"path": str(self.file)}
        return {"type": self.type, "payload": payload, "priority": self.priority, **self.options}


@dataclass(frozen=True)
class Ended:
    """A job that has ended, as `GET /jobs/{id}` tells it."""

    task: Task
    answer: Answer

    @property
    def status(self) -> str:
        """The job's status; for a failed one with the outcome of its last attempt."""
        attempts = self.answer.get("attempts")
        return f"{self.answer['status']} / {attempts[-1]['outcome']}" if attempts else str(self.answer["status"])

    @property
    def was_killed_at_its_deadline(self) -> bool:
        """Whether this is what was meant to happen to the hanging job."""
        return self.status == "failed / timed_out"


class Unreachable(Exception):
    """Nobody answers at the URL."""


class Refused(Exception):
    """The API does not take the request."""


class Api:
    """One kept-alive connection to the API."""

    def __init__(self, url: str, patience_seconds: float) -> None:
        parts = urlsplit(url)
        connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = connect(parts.hostname or "127.0.0.1", parts.port, timeout=30)
        self._url = url
        self._base = parts.path.rstrip("/")
        self._patience_seconds = patience_seconds
        self._has_answered = False

    def submit(self, task: Task) -> str:
        """Submit a job and return its id."""
        return str(self._request("POST", "/jobs", task.body)["id"])

    def job(self, job_id: str) -> Answer:
        """Return what the API knows of a job."""
        return self._request("GET", f"/jobs/{job_id}")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _request(self, method: str, path: str, body: object = None) -> Answer:
        """Ask until there is an answer. A job submitted twice does no harm here: a file is measured twice."""
        deadline = time.monotonic() + self._patience_seconds
        while True:
            try:
                status, retry_after, answer = self._exchange(method, path, body)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                if not self._has_answered or time.monotonic() > deadline:
                    raise Unreachable(f"no answer from {self._url}: {error}") from error
                status, retry_after, answer = 503, PAUSE_SECONDS, {}
            if status < 400:
                return answer
            if status not in (429, 503) or time.monotonic() > deadline:
                raise Refused(f"{method} {path} was answered {status}: {answer.get('detail', answer)}")
            time.sleep(retry_after)

    def _exchange(self, method: str, path: str, body: object) -> tuple[int, float, Answer]:
        content = None if body is None else json.dumps(body).encode()
        headers = {} if content is None else {"Content-Type": "application/json"}
        self._connection.request(method, self._base + path, content, headers)
        response = self._connection.getresponse()
        text = response.read()
        self._has_answered = True
        retry_after = response.headers.get("Retry-After", "")
        return response.status, float(retry_after) if retry_after.isdigit() else 1.0, _document(text)


def _document(text: bytes) -> Answer:
    try:
        document = json.loads(text)
    except ValueError:
        return {"detail": text[:200].decode(errors="replace")}
    return document if isinstance(document, dict) else {"detail": str(document)}


def python_files() -> list[Path]:
    """Return the files of the standard library, and of the installed packages if those are few."""
    paths = sysconfig.get_paths()
    files = [file for file in _python_files_in(paths["stdlib"]) if "site-packages" not in file.parts]
    if len(files) < ENOUGH_FILES:
        files += _python_files_in(paths["purelib"])
    return files


def _python_files_in(folder: str) -> list[Path]:
    return sorted(file for file in Path(folder).rglob("*.py") if file.is_file())


def tasks_for(files: Iterable[Path]) -> list[Task]:
    """Return one job a file, small files first."""
    return [Task("metrics.file", file, _priority(file), {}) for file in files]


def hanging_task(folder: Path) -> Task:
    """Return the job that never ends by itself; it goes first, and gets one second and one attempt."""
    file = folder / "hangs.py"
    file.write_text(HANGING_SOURCE, encoding="utf-8")
    return Task("metrics.naive", file, 10, {"timeout": 1, "max_attempts": 1})


def _priority(file: Path) -> int:
    size_bytes = file.stat().st_size
    return 8 if size_bytes < 4096 else 5 if size_bytes < 32_768 else 2


def watch(api: Api, jobs: dict[str, Task], patience_seconds: float) -> Iterator[Ended]:
    """Ask for the jobs, those that should run first before the others, until all have ended."""
    waiting = deque(sorted(jobs, key=lambda job_id: -jobs[job_id].priority))
    last_end = time.monotonic()
    while waiting:
        asked = [waiting.popleft() for _ in range(min(ROUND, len(waiting)))]
        answers = [(job_id, api.job(job_id)) for job_id in asked]
        unfinished = [job_id for job_id, answer in answers if answer["status"] not in ENDED]
        yield from (Ended(jobs[job_id], answer) for job_id, answer in answers if answer["status"] in ENDED)
        if len(unfinished) < len(asked):
            last_end = time.monotonic()
            waiting.extendleft(reversed(unfinished))
        else:
            waiting.extend(unfinished)
        if time.monotonic() - last_end > patience_seconds:
            raise Refused(f"no job has ended for {patience_seconds:.0f} s; {len(waiting)} are left")
        if 2 * len(unfinished) > len(asked):
            time.sleep(PAUSE_SECONDS)


class Bar:
    """Shows how far we are: a bar on a terminal, else a line for each tenth."""

    def __init__(self, console: Console, what: str, total: int) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._progress.add_task(what, total=total)
        self._console = console
        self._what, self._total, self._done = what, total, 0

    def __enter__(self) -> "Bar":
        """Show it."""
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave it as it is."""
        self._progress.stop()

    def advance(self) -> None:
        """One more is done."""
        self._done += 1
        self._progress.advance(self._task)
        tenth = 10 * self._done // self._total
        if not self._console.is_terminal and tenth > 10 * (self._done - 1) // self._total:
            self._console.print(f"{self._what}: {self._done} of {self._total}")


def run(api: Api, tasks: Sequence[Task], console: Console, patience_seconds: float) -> list[Ended]:
    """Submit all, then wait for all."""
    jobs: dict[str, Task] = {}
    with Bar(console, "submitted", len(tasks)) as bar:
        for task in tasks:
            jobs[api.submit(task)] = task
            bar.advance()
    ended: list[Ended] = []
    with Bar(console, "ended", len(jobs)) as bar:
        for job in watch(api, jobs, patience_seconds):
            ended.append(job)
            bar.advance()
    return ended


def result_table(jobs: Iterable[Ended], rows: int, style: box.Box | None) -> Table:
    """Return the most complex files, and whatever did not succeed."""
    table = Table("file", "status", box=style, title=f"the {rows} most complex files, and what did not succeed")
    for heading in ("seconds", "lines", "code", "comments", "functions", "classes", "complexity", "nesting", "longest"):
        table.add_column(heading, justify="right")
    measured = [job for job in jobs if (job.answer.get("result") or {}).get("parsed")]
    for job in sorted(measured, key=_complexity, reverse=True)[:rows]:
        table.add_row(*_head(job), *_figures(job.answer["result"]))
    for job in jobs:
        if job.answer["status"] != "succeeded":
            table.add_row(*_head(job), style="red")
    return table


def _complexity(job: Ended) -> int:
    most_complex = job.answer["result"]["most_complex"]
    return int(most_complex["complexity"]) if most_complex else 0


def _head(job: Ended) -> tuple[str, str, str]:
    seconds = job.answer.get("run_seconds")
    return _short(job.task.file), job.status, "" if seconds is None else f"{seconds:.2f}"


def _figures(result: Answer) -> list[str]:
    size, longest = result["size"], result["longest"]
    peaks = [(result["most_complex"] or {}).get("complexity", 0), (result["deepest"] or {}).get("nesting", 0)]
    return [
        *(str(size["lines"]), str(size["code_lines"]), f"{size['comment_ratio']:.0%}"),
        *(str(figure) for figure in (result["functions"], result["classes"], *peaks)),
        f"{longest['name']} ({longest['lines']})" if longest else "",
    ]


def _short(file: Path) -> str:
    for folder in (sysconfig.get_paths()["purelib"], sysconfig.get_paths()["stdlib"]):
        if file.is_relative_to(folder):
            return str(file.relative_to(folder))
    return file.name


def print_report(jobs: Sequence[Ended], rows: int, console: Console, seconds: float) -> None:
    """Print the table, the files that do not parse, and the sums."""
    results = [job.answer["result"] for job in jobs if isinstance(job.answer.get("result"), dict)]
    parsed = [result for result in results if result.get("parsed")]
    unparsed = [result for result in results if result.get("parsed") is False]
    console.print(result_table(jobs, rows, box.SIMPLE_HEAD if console.is_terminal else None))
    for result in unparsed:
        console.print(f"does not parse: {_short(Path(result['path']))}: {result['why']}", markup=False, soft_wrap=True)
    lines = sum(result["size"]["lines"] for result in parsed)
    functions = sum(result["functions"] for result in parsed)
    console.print(
        f"{len(jobs)} jobs in {seconds:.1f} s: {lines} lines, {functions} functions; {len(unparsed)} unparsed"
    )


def verdict(jobs: Iterable[Ended], hanging: Task) -> list[str]:
    """Return what went otherwise than intended."""
    surprises: list[str] = []
    for job in jobs:
        if job.task is hanging and not job.was_killed_at_its_deadline:
            surprises.append(f"{job.task.file.name} should have been killed at its deadline, but is {job.status}")
        elif job.task is not hanging and job.answer["status"] != "succeeded":
            surprises.append(f"{job.task.file}: {job.status}: {(job.answer.get('error') or {}).get('message')}")
    return surprises


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="the API (default: %(default)s)")
    parser.add_argument("--limit", type=int, help="submit only so many files")
    parser.add_argument("--rows", type=int, default=15, help="rows of the table (default: %(default)s)")
    parser.add_argument("--patience", type=float, default=120, help="seconds without progress (default: %(default)s)")
    return parser.parse_args()


def stop(code: int, sentence: str) -> NoReturn:
    """End with one sentence."""
    print(sentence, file=sys.stderr)
    sys.exit(code)


def main() -> None:
    """Run the example."""
    options = arguments()
    console = Console()
    if not console.is_terminal:
        console = Console(width=160)  # a file has no width that a table must fit
    api = Api(options.url, options.patience)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        hanging = hanging_task(Path(folder))
        try:
            jobs = run(api, [hanging, *tasks_for(python_files()[: options.limit])], console, options.patience)
        except Unreachable as error:
            stop(3, f"{error}; start it: jobworker up --handlers examples/stdlib_metrics/handlers.py")
        except Refused as error:
            stop(1, f"{error}; was it started with --handlers examples/stdlib_metrics/handlers.py?")
        finally:
            api.close()
    print_report(jobs, options.rows, console, time.monotonic() - began)
    if surprises := verdict(jobs, hanging):
        stop(1, "\n".join(surprises))
    console.print("all as intended: every file was measured, and the job that hung was killed after its second")


if __name__ == "__main__":
    main()
