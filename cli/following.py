"""The output of a job, read once or as it comes, and shown."""

import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, Final, TextIO

from jobworker.cli.errors import Unavailable
from jobworker.cli.http import ApiClient, job_path
from jobworker.cli.output import printable
from jobworker.cli.waiting import LONGEST_RETRY_AFTER_SECONDS
from jobworker.store.states import ENDED

#: One piece of output, as the API shows it.
Item = dict[str, Any]


class LogReader:
    """Reads the output of one job, each byte once."""

    def __init__(self, client: ApiClient, job_id: str, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._client = client
        self._job_id = job_id
        self._sleep = sleep
        self._path: Final = f"{job_path(job_id)}/log"
        self._at = 0

    def read(self) -> Iterator[Item]:
        """Yield what there is now and was not read yet."""
        yield from self._taken(self._client.get(f"{self._path}?after={self._at}")["items"])

    def follow(self) -> Iterator[Item]:
        """Yield what there is and what comes, until the job has ended. A 503 is waited out."""
        while True:
            try:
                yield from self._taken(self._client.lines(f"{self._path}?follow=1&after={self._at}"))
            except Unavailable as error:
                # Perhaps only the places for followers are taken: then we see it a bit later, here below.
                self._sleep(min(error.retry_after_seconds, LONGEST_RETRY_AFTER_SECONDS))
            if (yield from self._rest()):
                return

    def _rest(self) -> Generator[Item, None, bool]:
        """Yield what the stream has left, which may have ended before the job; return whether the job has ended."""
        try:
            ended = self._client.get_job(self._job_id)["status"] in ENDED
            yield from self.read()
        except Unavailable:
            return False
        return ended

    def _taken(self, items: Iterable[Item]) -> Iterator[Item]:
        for item in items:
            self._at = item["next"]
            yield item


class Page:
    """Shows output: as it was printed, but on a terminal with what would steer it made visible."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown: Callable[[str], str] = printable if stream.isatty() else str
        self._at_line_start = True
        self._attempt: int | None = None

    def show(self, item: Item) -> None:
        """Show one piece, and before it, on lines of their own, how much is left out and which attempt begins."""
        if item["left_out"]:
            self.end_line()
            self._write(f"… {item['left_out']:,} bytes left out …\n")
        if self._attempt not in (None, item["attempt"]):
            self.end_line()
            self._write(f"--- attempt {item['attempt']}\n")
        self._attempt = item["attempt"]
        self._write(self._shown(item["text"]))

    def end_line(self) -> None:
        """Begin a new line unless one has just begun."""
        if not self._at_line_start:
            self._write("\n")

    def _write(self, text: str) -> None:
        if text:
            self._stream.write(text)
            self._stream.flush()
            self._at_line_start = text.endswith("\n")


def show_until_ended(client: ApiClient, job_id: str) -> None:
    """Show the output on stderr as it comes, until the job has ended: stdout is for its result."""
    page = Page(sys.stderr)
    for item in LogReader(client, job_id).follow():
        page.show(item)
    page.end_line()
