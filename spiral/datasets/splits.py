"""Which pictures are learned from, which choices look at, and which results quote: training, validation, test.

Validation pictures are taken from those for training, by a fixed hash: of the picture, or of the group it belongs to
where a set has groups. So they are the same on every machine, and adding pictures moves no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Split = Literal["train", "validation", "test"]
HeldOut = Literal["validation", "test"]

ADJECTIVES: dict[Split, str] = {"train": "training", "validation": "validation", "test": "test"}
"""The words for a split before "pictures"."""
VALIDATION_SHARE = 0.1
"""Share of the training pictures that is held out for validation."""


def places(digests: Sequence[bytes]) -> NDArray[np.float64]:
    """Where SHA-256 digests lie among all there are: float64 [n] in 0…1, equal ones at the same place."""
    found: NDArray[np.float64] = np.frombuffer(b"".join(digest[:4] for digest in digests), ">u4") / 2**32
    return found


def in_test(digests: Sequence[bytes], test_share: float) -> NDArray[np.bool_]:
    """Which pictures, or groups, a share of 0…1 holds out for testing: bool [n]."""
    held_out: NDArray[np.bool_] = places(digests) < test_share
    return held_out


def in_validation(digests: Sequence[bytes], test_share: float = 0.0) -> NDArray[np.bool_]:
    """Which of them are for validation: bool [n], a tenth of what ``test_share`` leaves; none is for testing too."""
    where = places(digests)
    end = test_share + (1 - test_share) * VALIDATION_SHARE
    held_out: NDArray[np.bool_] = (where >= test_share) & (where < end)
    return held_out
