"""Which handler code the workers run: the release in use, and the one that a reload tries."""

from collections.abc import Iterable
from typing import Final

import structlog

from jobworker.store.catalogue import HandlerEntry
from jobworker.supervisor.messages import Hello
from jobworker.supervisor.process import WorkerProcess

log = structlog.get_logger("jobworker.releases")

#: Why the code on disk is not used.
CHANGED: Final = "the handler code on disk has changed; no new worker is used until a reload (SIGHUP)"
DOES_NOT_LOAD: Final = "the handler code on disk does not load; the old code goes on"
IS_SLOW: Final = "the handler code on disk has not loaded yet; the old code goes on"


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
        #: What was found on disk last, and is not in use.
        self._refused_digest = ""
        self.on_trial = True
        self._is_slow = False
        self._tried_at = 0.0
        #: Since when the release in use was wanted, while workers with an older one are there.
        self._replacing_since: float | None = None

    @property
    def next(self) -> int:
        """The release for which a worker is forked now."""
        return self._newest if self.on_trial else self._current

    @property
    def undecided(self) -> bool:
        """Whether it pays to wait for the trial: it will soon be known which code is good."""
        return self.on_trial and not self._is_slow

    def begin_trial(self, now: float) -> None:
        """Try what is on disk now, instead of what was tried before."""
        self._newest += 1
        self.on_trial, self._is_slow, self._tried_at = True, False, now

    def trial_lasts(self, module: str, now: float) -> None:
        """Hear that an import takes long."""
        self._is_slow = True
        self.stale = f"{IS_SLOW}: {module} has been importing for {now - self._tried_at:.0f} s"

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
        if self._current:
            self._replacing_since = self._tried_at
        self._current = self._newest
        self._digest = hello.digest
        self.catalogue = {entry.type: entry for entry in hello.entries}
        self.stale = ""
        self.on_trial = False

    def look_for_older(self, workers: Iterable[WorkerProcess], now: float) -> None:
        """Say, once, when no worker of an older release lives any more."""
        since = self._replacing_since
        if since is not None and all(map(self.uses, workers)):
            self._replacing_since = None
            log.info("the reload is complete: no worker has older handlers", seconds=round(now - since, 2))

    def differs(self, hello: Hello) -> None:
        """Hear that a new worker has found something else on disk than what is in use; said once for each change."""
        if self.stale != CHANGED or self._refused_digest != hello.digest:
            log.warning(CHANGED, in_use=self._digest, on_disk=hello.digest)
        self.stale, self._refused_digest = CHANGED, hello.digest

    def refuse(self, error: str, traceback: str | None = None) -> None:
        """Say why the code on disk does not load; the traceback once, however often it is tried."""
        told, self.stale = self.stale, f"{DOES_NOT_LOAD}: {error}"
        log.error(DOES_NOT_LOAD, error=error, traceback=None if told == self.stale else traceback)

    def confirm(self) -> None:
        """Hear that the code on disk is the one in use."""
        if self.stale:
            log.info("the handler code on disk is the one in use again")
        self.stale = ""

    def is_same(self, hello: Hello) -> bool:
        """Whether a worker has found on disk what is in use."""
        return hello.digest == self._digest
