"""Batches of unrolls, of which only some episodes end."""

from __future__ import annotations

from collections.abc import Sequence

from grpc import StatusCode

from spiral.conformance.case import case, refused, require
from spiral.conformance.discriminator.subject import REMEMBERED, DiscriminatorTarget, scores_of
from spiral.v1.discriminator_pb2 import Endings, ScoreRequest

BATCH, FRAMES = 4, 3


@case("discriminator", "validation")
def endings_are_rising_positions(discriminator: DiscriminatorTarget) -> None:
    """Endings that are not rising positions of episodes are refused.

    Scores 3 frames of 4 episodes with ``endings`` of 4, of 2 and 1, and of 1 twice. Each must end with INVALID_ARGUMENT
    that names ``endings``. With no endings, with 0 and 3, and with all four the batch must be scored.
    """
    for episodes in ((4,), (2, 1), (1, 1)):
        with refused(f"endings {list(episodes)}", StatusCode.INVALID_ARGUMENT, "endings"):
            discriminator.score(_ending(discriminator, episodes, 70))
    for right in ((), (0, 3), (0, 1, 2, 3)):
        scores_of(discriminator.score(_ending(discriminator, right, 71)), FRAMES, BATCH)


@case("discriminator", "metrics", "extended")
def episodes_that_go_on_are_not_remembered(discriminator: DiscriminatorTarget) -> None:
    """Nothing is remembered of an episode that continues.

    Reads ``spiral_discriminator_remembered_total`` and scores 3 frames of 4 episodes with ``remember`` true; episodes 1
    and 3 end. The counter must rise by 2. If none ends, it must stay. Skipped if there is no such metric.
    """
    before = discriminator.gauge(REMEMBERED)
    for episodes, right in (((1, 3), 2), ((), 2)):
        discriminator.score(_ending(discriminator, episodes, 72 + len(episodes), remember=True))
        rise = discriminator.gauge(REMEMBERED) - before
        require(rise == right, f"{REMEMBERED} rose by {rise:g} after endings {list(episodes)}; expected {right}")


def _ending(
    discriminator: DiscriminatorTarget, episodes: Sequence[int], seed: int, remember: bool = False
) -> list[ScoreRequest]:
    requests = discriminator.batch(discriminator.pictures(seed, FRAMES, BATCH), remember=remember)
    requests[0].header.endings.CopyFrom(Endings(episodes=episodes))
    return requests
