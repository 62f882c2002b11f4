"""What workers do, also while their supervisor is stopped."""

from collections.abc import Collection, Iterator

from tests.model.protocol.rules import Promise, Rule, Violation
from tests.model.protocol.scenario import Scenario
from tests.model.protocol.state import Attempt, State, Step, Supervisor, put


class Workers:
    """Takes the steps of every worker."""

    def __init__(self, scenario: Scenario, left_out: Collection[Rule]) -> None:
        self._hangs = scenario.hangs
        #: Whoever loses writes has work done again.
        self._may_repeat = bool(scenario.trouble.get("unwritten"))
        self._ignores_the_fence = Rule.NOT_STARTED in left_out

    def steps(self, state: State, slot: int, who: str) -> Iterator[Step]:
        """Yield what the workers of one supervisor can do next."""
        supervisor = state.supervisors[slot]
        if supervisor.phase == "dead":
            if any(supervisor.workers):
                dead = supervisor._replace(workers=(None,) * len(supervisor.workers))
                yield Step(f"the workers of {who} follow it", state.with_supervisor(slot, dead))
            return
        for number, attempt in enumerate(supervisor.workers):
            if attempt is not None:
                yield from self._work(state, slot, number, attempt, f"worker {number} of {who}")

    def _work(self, state: State, slot: int, number: int, attempt: Attempt, who: str) -> Iterator[Step]:
        supervisor = state.supervisors[slot]
        if attempt.stage == "handed":
            told, begun, state = self._begin(state, supervisor, attempt)
            yield Step(f"{who} {told}", _with(state, slot, number, begun))
        elif attempt.stage == "running" and not self._hangs:
            done = _with(_done(state, attempt), slot, number, attempt._replace(stage="reported", outcome="succeeded"))
            yield Step(f"{who} has done job {attempt.job}, token {attempt.token}", done)
        elif attempt.stage == "reported" and not supervisor.is_stopped:
            results = tuple(sorted((*supervisor.results, (*attempt.held, attempt.outcome))))
            read = supervisor._replace(workers=put(supervisor.workers, number, None), results=results)
            yield Step(f"the report of {who} is read", state.with_supervisor(slot, read))

    def _begin(self, state: State, supervisor: Supervisor, attempt: Attempt) -> tuple[str, Attempt, State]:
        if not supervisor.fence and not self._ignores_the_fence:
            return f"does not begin job {attempt.job}", attempt._replace(stage="reported", outcome="shutdown"), state
        if state.redis.jobs[attempt.job].is_done and not self._may_repeat:
            raise Violation(Promise.REPEATED, f"job {attempt.job}, token {attempt.token}")
        return f"begins job {attempt.job}, token {attempt.token}", attempt._replace(stage="running"), state


def _with(state: State, slot: int, number: int, attempt: Attempt) -> State:
    supervisor = state.supervisors[slot]
    return state.with_supervisor(slot, supervisor._replace(workers=put(supervisor.workers, number, attempt)))


def _done(state: State, attempt: Attempt) -> State:
    """Let the promises know that the job is done, if this attempt may say so."""
    redis, job = state.redis, state.redis.jobs[attempt.job]
    if job.status != "running" or job.token != attempt.token:
        return state
    return state._replace(redis=redis._replace(jobs=put(redis.jobs, attempt.job, job._replace(is_done=True))))
