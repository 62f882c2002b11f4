"""GET /jobs/{job_id}/log: what a job has printed, and what it prints while one looks."""

from functools import partial
from typing import Final

import falcon
import msgspec

from jobworker.api.availability import Availability
from jobworker.api.followers import Follower, Followers
from jobworker.api.headers import STREAM
from jobworker.api.logtext import JsonLines, LogItems, PlainText
from jobworker.api.operation import operation
from jobworker.api.query import read_query
from jobworker.api.reader import read_job_id
from jobworker.api.schemas import LogAnswer, LogQuery
from jobworker.api.scopes import Scope
from jobworker.store.jobs import JobStore
from jobworker.store.log import LogMark, LogPage

PLAIN: Final = "text/plain; charset=utf-8"
JSON_LINES: Final = "application/x-ndjson"

_described = operation(
    "Show what a job has printed",
    Scope.READ,
    {200: (PLAIN, LogAnswer, JSON_LINES)},
    query=LogQuery,
    errors=(404, 409),
)


class Log:
    """The output of a job: plain text, or JSON for who asks for it by Accept."""

    def __init__(self, store: JobStore, available: Availability, followers: Followers) -> None:
        self._store = store
        self._available = available
        self._followers = followers

    @_described
    def on_get(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """Show what is kept; with `follow` go on until the job has ended."""
        query = read_query(req, LogQuery)
        if query.follow:
            self._follow(req, resp, read_job_id(job_id), query)
        else:
            self._show(req, resp, read_job_id(job_id), query)

    @_described
    def on_head(self, req: falcon.Request, resp: falcon.Response, job_id: str) -> None:
        """Tell what `on_get` would; nobody follows without a body."""
        self._show(req, resp, read_job_id(job_id), read_query(req, LogQuery))

    def _show(self, req: falcon.Request, resp: falcon.Response, job_id: str, query: LogQuery) -> None:
        page = self._read(job_id, LogMark(query.after))
        if _wants_json(req):
            items = LogItems()
            resp.data = msgspec.json.encode(LogAnswer([*items.items(page.pieces), *items.rest()]))
        else:
            resp.content_type = PLAIN
            resp.data = PlainText().render(page.pieces)

    def _follow(self, req: falcon.Request, resp: falcon.Response, job_id: str, query: LogQuery) -> None:
        # Before the answer begins: only now it can still be a refusal.
        page = self._read(job_id, LogMark(query.after))
        leave = self._followers.take_place()
        as_json = _wants_json(req)
        text = JsonLines() if as_json else PlainText()
        resp.content_type = JSON_LINES if as_json else PLAIN
        resp.stream = Follower(partial(self._read, job_id), page, text, req.env[STREAM], leave)

    def _read(self, job_id: str, mark: LogMark) -> LogPage:
        with self._available:
            return self._store.log(job_id, mark)


def _wants_json(req: falcon.Request) -> bool:
    """Whether JSON is what the client likes best: who takes anything gets plain text."""
    return req.client_prefers(("text/plain", "application/json")) == "application/json"
