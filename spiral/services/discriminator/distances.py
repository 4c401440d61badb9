"""Score terms that are not learned: how far a painting is from its target."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from spiral.services.discriminator.judge import changed_frames, fill_forward
from spiral.values.imported import imported

Distance = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.float32]]


def l2(paintings: NDArray[np.uint8], targets: NDArray[np.uint8]) -> NDArray[np.float32]:
    """−‖x − target‖₂ / √(HWC) of pairs [N, H, W, C] → [N], pixels from 0 to 1. 0: a copy; −1: black for white."""
    difference = (paintings.astype(np.float32) - targets) / 255
    distances: NDArray[np.float32] = np.sqrt(np.square(difference).mean(axis=(1, 2, 3)))
    return -distances


def colour_emd(paintings: NDArray[np.uint8], targets: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Minus the earth-mover distance of the color histograms of pairs [N, H, W, C] → [N] in −1 … 0.

    The mean over channels of the distance between the channels' histograms of all 256 levels, in units of black to
    white. In one dimension it is the mean distance between the sorted levels, wherever in the picture they are
    (docs/method.md, 2).
    """
    # A level is one byte, and a stable sort of bytes counts them.
    one, other = (np.sort(p.reshape(len(p), -1, p.shape[3]), axis=1, kind="stable") for p in (paintings, targets))
    distances: NDArray[np.float32] = np.abs(one.astype(np.int16) - other).mean(axis=(1, 2), dtype=np.float32) / 255
    return -distances


DISTANCES: dict[str, Distance] = {"l2": l2, "colour-emd": colour_emd}


def distance(name: str) -> Distance:
    """The distance of that name, or a user's own at ``module:name``. ValueError if it can't be imported."""
    if name in DISTANCES:
        return DISTANCES[name]
    own = imported(name, "discriminator.terms")

    def checked(paintings: NDArray[np.uint8], targets: NDArray[np.uint8]) -> NDArray[np.float32]:
        scores = np.asarray(own(paintings, targets), np.float32)
        if scores.shape != (len(paintings),):
            raise ValueError(
                f'discriminator.terms: "{name}" answered {list(scores.shape)}; expected [{len(paintings)}], a number '
                "for each pair"
            )
        return scores

    return checked


def distance_terms(
    names: Sequence[str], observations: NDArray[np.uint8], targets: NDArray[np.uint8]
) -> dict[str, NDArray[np.float32]]:
    """Scores [F, B] by each named distance: observations [F, B, H, W, C], targets [B, H, W, C]."""
    if not names:
        return {}
    changed = changed_frames(observations)
    frame, episode = np.nonzero(changed)
    paintings, wanted = observations[frame, episode], targets[episode]
    return {name: fill_forward(distance(name)(paintings, wanted), changed) for name in names}
