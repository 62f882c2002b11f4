"""docs/schedules.md is true: its table of changed clocks, and every curl in it."""

import re
import shlex
from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import fakeredis

from jobworker.store.timing import Timing
from tests.support.page import Page
from tests.unit.api.conftest import Api

BERLIN = ZoneInfo("Europe/Berlin")
PAGE = Page("schedules.md")
DAYS = (datetime(2026, 3, 29, tzinfo=BERLIN), datetime(2026, 10, 25, tzinfo=BERLIN))


def due_on(cron: str, day: datetime) -> str:
    begin_ms = round(day.timestamp() * 1000) - 1
    end_ms = (day + timedelta(days=1)).timestamp() * 1000
    due = Timing(cron=cron, timezone="Europe/Berlin").preview(begin_ms, 50)
    times = [datetime.fromtimestamp(ms / 1000, BERLIN).isoformat(timespec="minutes")[11:] for ms in due if ms < end_ms]
    return ", ".join(times) or "not at all"


def test_the_table_of_changed_clocks_says_when_each_is_due() -> None:
    rows = PAGE.rows("Where clocks are changed")
    assert len(rows) == 3
    for cron, *due in rows:
        assert due == [due_on(cron.strip("`"), day) for day in DAYS], cron


def requests() -> Iterator[tuple[str, str, bytes | None]]:
    for line in re.findall(r"^curl .*$", PAGE.text, re.MULTILINE):
        words = shlex.split(line)
        method = words[words.index("-X") + 1] if "-X" in words else "GET"
        [url] = [word for word in words if word.startswith("localhost:8080")]
        yield (
            method,
            url.removeprefix("localhost:8080"),
            words[words.index("-d") + 1].encode() if "-d" in words else None,
        )


def test_every_curl_does_what_it_says() -> None:
    api = Api(fakeredis.FakeRedis())
    answers = []
    for method, path, body in requests():
        headers = {"Content-Type": "application/json"} if body else None
        answers.append(api.request(method, path, body, headers).status)
    assert answers == [201, 200, 200, 200, 202, 200, 204]
