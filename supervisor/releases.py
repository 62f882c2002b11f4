"""Which handler code the workers run: the release in use, and the one that a reload tries."""

from typing import Final

import structlog

from jobworker.store.catalogue import HandlerEntry
from jobworker.supervisor.messages import Hello
from jobworker.supervisor.process import WorkerProcess

log = structlog.get_logger("jobworker.releases")

#: Why the code on disk is not used.
CHANGED: Final = "the handler code on disk has changed; no new worker is used until a reload (SIGHUP)"
DOES_NOT_LOAD: Final = "the handler code on disk does not load; the old code goes on"


class Releases:
    """Owns the number, the digest and the catalogue of the release in use; each reload tries a new one.

    A worker belongs to the release that it was forked for. Of a release on trial the first worker to say hello makes
    it the one in use, and the first that fails ends the trial.
    """

    def __init__(self) -> None:
        self.catalogue: dict[str, HandlerEntry] = {}
        #: Why the handler code on disk is not what runs; empty: it is, as far as anybody has looked.
        self.stale = ""
        self._current = 0
        self._newest = 1
        self._digest = ""
        self.on_trial = True

    @property
    def next(self) -> int:
        """The release for which a worker is forked now."""
        return self._newest if self.on_trial else self._current

    def begin_trial(self) -> None:
        """Try what is on disk now, instead of what was tried before."""
        self._newest += 1
        self.on_trial = True

    def end_trial(self) -> None:
        """Go on with the release in use."""
        self.on_trial = False

    def tries(self, worker: WorkerProcess) -> bool:
        """Whether this worker decides the trial."""
        return self.on_trial and worker.release == self._newest

    def uses(self, worker: WorkerProcess) -> bool:
        """Whether this worker is of the release in use."""
        return worker.release == self._current

    def accept(self, hello: Hello) -> None:
        """Put the release on trial to use."""
        self._current = self._newest
        self._digest = hello.digest
        self.catalogue = {entry.type: entry for entry in hello.entries}
        self.stale = ""
        self.on_trial = False

    def refuse(self, stale: str, error: str = "", traceback: str | None = None) -> None:
        """Say why the code on disk is not used; the traceback once, however often it is tried."""
        told, self.stale = self.stale, f"{stale}: {error}" if error else stale
        log.error(stale, error=error or None, traceback=None if told == self.stale else traceback)

    def confirm(self) -> None:
        """Hear that the code on disk is the one in use."""
        if self.stale:
            log.info("the handler code on disk is the one in use again")
        self.stale = ""

    def is_same(self, hello: Hello) -> bool:
        """Whether a worker has found on disk what is in use."""
        return hello.digest == self._digest
