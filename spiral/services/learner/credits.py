"""Which actors may send trajectories, and how many: the credits of the actors that said hello.

Free slots go, one at a time, to the actor with the fewest credits; among equals, to the one whose last credit was
granted longest ago.

An actor begins an episode only when it has reserved a credit for it, and a slot becomes free when the learner takes
the scored batch. So no finished trajectory waits and ages. On two cores the weights that painted a batch are about two
batches behind those that learn from it; before credits came first they were eight to nine batches behind. In 250,000
frames of ``mnist`` this learns as well as lockstep, where the two are equal. In longer runs the clip about an old
policy is worth having (docs/notebook/learning.md); with a target, age still costs something (docs/notebook/claims.md).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

Sender = tuple[str, int]
"""An actor's id and incarnation."""


@dataclass(slots=True)
class _Actor:
    """An actor that said hello on one connection."""

    sender: Sender
    credits: int = 0
    granted_at: int = 0
    """When it was last granted a credit, measured in grants."""


class Credits:
    """Credits by peer (ZeroMQ's routing id), at most ``per_actor`` each. ValueError if that is less than 1."""

    def __init__(self, per_actor: int) -> None:
        if per_actor < 1:
            raise ValueError(
                f"credits_per_actor: {per_actor}; expected at least 1, because an actor sends nothing without a credit"
            )
        self.per_actor = per_actor
        self._actors: dict[bytes, _Actor] = {}
        self._grants = 0

    @property
    def peers(self) -> list[bytes]:
        """The peers that said hello and are still connected."""
        return list(self._actors)

    @property
    def outstanding(self) -> int:
        """Credits that actors hold."""
        return sum(actor.credits for actor in self._actors.values())

    @property
    def wanted(self) -> bool:
        """Whether some actor could use another credit."""
        return any(actor.credits < self.per_actor for actor in self._actors.values())

    def of(self, peer: bytes, sender: Sender) -> int | None:
        """The credits of ``sender`` on this connection; None if it has not said hello there."""
        actor = self._actors.get(peer)
        return actor.credits if actor is not None and actor.sender == sender else None

    def hello(self, peer: bytes, sender: Sender) -> None:
        """From now on ``sender`` is on this connection, without a credit yet."""
        # If it is the same process on a new connection, its old one is dead, though this end may not have noticed.
        self._actors = {other: known for other, known in self._actors.items() if known.sender != sender}
        # It goes behind all that wait: an actor that can't use its credits says hello again to leave them to others.
        self._grants += 1
        self._actors[peer] = _Actor(sender, granted_at=self._grants)

    def forget(self, peer: bytes) -> tuple[Sender, int] | None:
        """Remove a connection. Returns its sender and the credits that are free again; None if nobody said hello."""
        gone = self._actors.pop(peer, None)
        return None if gone is None else (gone.sender, gone.credits)

    def spend(self, peer: bytes) -> None:
        """A peer has used one of its credits."""
        self._actors[peer].credits -= 1

    def grant(self, free: int) -> Counter[bytes]:
        """Grant up to ``free`` credits. Returns the new credits of each peer that gets any."""
        granted: Counter[bytes] = Counter()
        for _ in range(free):
            peer = min(self._actors, key=lambda p: (self._actors[p].credits, self._actors[p].granted_at), default=None)
            if peer is None or self._actors[peer].credits >= self.per_actor:
                break
            self._grants += 1
            self._actors[peer].credits += 1
            self._actors[peer].granted_at = self._grants
            granted[peer] += 1
        return granted
