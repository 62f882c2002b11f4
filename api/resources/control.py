"""POST /supervisors/{name}/scale and POST /supervisors/{name}/drain: the supervisor hears of it with its next beat."""

from typing import Final

import falcon
import msgspec
from msgspec import UNSET

from jobworker.api.body import read_body
from jobworker.api.errors import InvalidBody
from jobworker.api.operation import operation
from jobworker.api.query import who_asks
from jobworker.api.repeater import Repeater
from jobworker.api.schemas import DrainAnswer, ReasonRequest, ScaleAnswer, ScaleRequest
from jobworker.api.scopes import Scope
from jobworker.store.control import Control
from jobworker.store.job import Note

#: What is said when nobody knows whether it has been asked.
DOUBT: Final = "the supervisor may have been asked: GET /supervisors tells, and asking again does no harm"


class Scale:
    """How many jobs a supervisor runs at once."""

    def __init__(self, control: Control, repeater: Repeater) -> None:
        self._control = control
        self._repeater = repeater

    @operation(
        "Set how many jobs a supervisor runs at once",
        Scope.OPERATE,
        {202: ScaleAnswer},
        body=ScaleRequest,
        errors=(404,),
    )
    def on_post(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Ask for so many workers; where they are too many, those that have a job end it first."""
        workers = read_body(req, ScaleRequest).workers
        if workers is UNSET:
            raise InvalidBody('say how many workers are wanted: `{"workers": 4}`', pointer="/workers")
        self._repeater.do(lambda: self._control.scale(name, workers), DOUBT)
        resp.status = falcon.HTTP_202
        resp.data = msgspec.json.encode(ScaleAnswer(name, workers))


class Drain:
    """The end of a supervisor, as by SIGTERM."""

    def __init__(self, control: Control, repeater: Repeater) -> None:
        self._control = control
        self._repeater = repeater

    @operation("End a supervisor", Scope.OPERATE, {202: DrainAnswer}, body=ReasonRequest, errors=(404,))
    def on_post(self, req: falcon.Request, resp: falcon.Response, name: str) -> None:
        """Ask a supervisor to end what it runs, to claim nothing more, and to end."""
        note = Note(who_asks(req), read_body(req, ReasonRequest).reason or None)
        self._repeater.do(lambda: self._control.drain(name, note), DOUBT)
        resp.status = falcon.HTTP_202
        resp.data = msgspec.json.encode(DrainAnswer(name))
