"""The rules of docs/protocol.md, each of which can be left out, and the promises that are broken then."""

import enum


class Rule(enum.Enum):
    """What a rule demands; left out of the model, it is not demanded."""

    EPOCHS_COMPARED = "a call of another epoch is refused"
    REGISTRATIONS_COUNTED = "a late copy of register does nothing"
    PROOF = "a living namesake is taken over only with proof of its death"
    REFUSAL = "a newcomer that has waited for a lease that was renewed ends"
    LOCK_INHERITED = "the lock is free only when the workers are dead too"
    YOUNGER_SUPERSEDES = "only a later epoch supersedes"
    INDEX_PER_EPOCH = "what runs is kept by name and epoch"
    VOIDING = "reaping voids the epoch first"
    FULL_TERM = "who reaps has held its lease for a full term"
    SILENCE = "after a silence of half a lease nobody reaps for a term"
    OLD_CALLS = "a call older than the last does nothing"
    REPEATS = "a repeat of the last call does nothing again"
    RECONCILE_NUMBERED = "reconcile takes the place of the open call"
    RECONCILE = "after an error a supervisor reconciles"
    INDEX_SIZE = "a beat compares how much runs"
    TOKENS_COMPARED = "a settle needs the token of the claim"
    TOKENS_FROM_CLOCK = "no token comes twice, not even after lost writes"
    EPOCHS_FROM_CLOCK = "no epoch comes twice, not even after lost writes"
    FENCE = "exclusive attempts are killed when the lease may be over"
    NOT_STARTED = "a worker past the fence does not begin"
    FENCED_SETTLED = "what the fence has killed is settled"
    FENCED_FREE = "what the fence has killed spends nothing"
    CANCEL_KEPT = "a flagged job never goes back"
    CANCEL_REPEATED = "each beat answers every flagged attempt"
    READ_TO_THE_END = "the reports of a dead worker are read to the end"
    LEAVE_WAITS = "who leaves has no call open"
    LEAVE_PUTS_BACK = "leave puts back what it finds"
    LEAVE_VOIDS = "leave voids the epoch"
    AHEAD = "what was claimed beyond the idle workers is lost free, once"


class Promise(enum.Enum):
    """What the protocol promises."""

    STUCK = "without further trouble no way leads to the end"
    OVERLAP = "an exclusive job runs twice at once"
    SAME_EPOCH = "two incarnations have the same epoch"
    HELD_TWICE = "an attempt is held twice"
    CHARGED = "a job is charged for what did not happen"
    REPEATED = "work that was done is begun again"
    CANCEL = "a job is claimed although its cancel was accepted"
    SUPERSEDED = "a supervisor is superseded by itself or its past"


class Violation(Exception):
    """A promise is broken."""

    def __init__(self, promise: Promise, what: str) -> None:
        super().__init__(f"{promise.value}: {what}")
        self.promise = promise
