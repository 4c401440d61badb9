"""How many trajectories may be on their way to the learner or waiting there.

Painting takes time, so a fast learner needs many trajectories in progress; at a slow one they would only age. Nobody
knows beforehand which it is, so the number adapts: one more each time that the learner waits while an actor waits for
a credit; one less if for eight batches in a row more than the next batch lay waiting. ``learner.queue`` is the
minimum. The maximum is the number that stays younger than half of ``learner.max_lag``; the demand for actors ends
there, too.

Any fixed number is wrong on some machine: two keep trajectories fresh on a laptop, but with a fast learner only two of
many actors could paint. A single actor has all the credits it can use, so on one machine nothing changes.
"""

from __future__ import annotations

from spiral.values.trajectories import TrajectoryContract

PATIENCE = 8
"""Batches in a row with too much waiting before a slot is removed."""


def fewest_slots(contract: TrajectoryContract, *, batch: int, learner_batch: int, queue: int, queue_bytes: int) -> int:
    """Trajectories of ``batch`` episodes that may wait. ValueError if they could never fill a learner's batch."""
    size, needed = contract.nbytes(batch), -(-learner_batch // batch)
    room = min(queue, queue_bytes // size)
    if room < needed:
        shorter = f", or unroll < {contract.length}" if queue >= needed and contract.length > 1 else ""
        raise ValueError(
            f"learner.queue: {queue} messages or learner.queue_bytes: {queue_bytes} bytes hold {room} trajectories of "
            f"{batch} episodes and {contract.length} actions ({size} bytes); a batch of {learner_batch} episodes needs "
            f"{needed}: learner.queue ≥ {needed} and learner.queue_bytes ≥ {needed * size}{shorter}"
        )
    return room


class Slots:
    """The number of slots: at least ``learner.queue``, at most what fits in ``learner.queue_bytes``."""

    def __init__(
        self,
        contract: TrajectoryContract,
        *,
        batch: int,
        learner_batch: int,
        queue: int,
        queue_bytes: int,
        fresh_batches: int | None = None,
    ) -> None:
        """``fresh_batches``: batches that may be in progress before they become too old; None: age does not matter.

        Raises ValueError if a learner's batch could never be filled.
        """
        self.count = self._fewest = fewest_slots(
            contract, batch=batch, learner_batch=learner_batch, queue=queue, queue_bytes=queue_bytes
        )
        self._next = -(-learner_batch // batch)
        """Trajectories that the next batch needs."""
        self.most = queue_bytes // contract.nbytes(batch)
        if fresh_batches is not None:
            self.most = max(self._fewest, min(self.most, fresh_batches * self._next))
        self._too_many = 0

    def starved(self, queued: int, wanted: bool) -> None:
        """The learner waits; ``wanted``: an actor waits for a credit and no slot is free."""
        self._too_many = 0
        if wanted and queued < self._next:  # otherwise its batch has just arrived
            self.count = min(self.count + 1, self.most)

    def fed(self, queued: int) -> None:
        """The learner did not wait, and ``queued`` trajectories are still waiting."""
        self._too_many = self._too_many + 1 if queued > self._next else 0
        if self._too_many == PATIENCE:
            self._too_many = 0
            self.count = max(self.count - 1, self._fewest)
