"""Which queue comes next, when a supervisor serves its queues by weight."""

from collections.abc import Sequence

from jobworker.store.callback import DELIVERY_QUEUE
from jobworker.store.claims import Wanted


class Turns:
    """Owns whose turn it is: smooth weighted round-robin, as nginx does it.

    Without weights priority is strict across the queues and no queue is preferred.
    """

    def __init__(self, queues: Sequence[str]) -> None:
        weights = [queue.partition("=") for queue in queues]
        #: Names of the queues served; none: all.
        self.queues = [name for name, _, _ in weights]
        if self.queues and DELIVERY_QUEUE not in self.queues:
            # Deliveries are everybody's: else they would wait for ever where each queue has a supervisor of its own.
            # They have no turn: where nobody wants webhooks, it would be lost to the weights of the others.
            self.queues.append(DELIVERY_QUEUE)
        self._weights = {name: int(weight or 1) for name, _, weight in weights} if "=" in "".join(queues) else {}
        self._credit = dict.fromkeys(self._weights, 0)

    def assign(self, workers: Sequence[int]) -> list[Wanted]:
        """Return what to claim for these idle workers."""
        return [Wanted(worker, self._next()) for worker in workers]

    def _next(self) -> str:
        if not self._weights:
            return ""
        for name, weight in self._weights.items():
            self._credit[name] += weight
        chosen = max(self._credit, key=lambda name: self._credit[name])
        self._credit[chosen] -= sum(self._weights.values())
        return chosen
