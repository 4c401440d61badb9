"""The schedules of a run: learning rate, entropy weights and length of the average, and how far the run is.

A schedule over the run takes ``--minutes`` or ``--frames``, or ``learner.run_frames`` if neither is given, as in a
cluster. So a slow machine reaches the floor as a fast one does. After that the value stays at the floor. In ``demo``
and ``mnist`` the learning rate falls in this way. The checkpoint holds the share of the run that is done; only
``--restart-schedule`` resets it.

A schedule by frames (``learner.learning_rate_frames``, ``learner.entropy_frames``) needs no share. The learning rate
has one in ``faces``, ``quickdraw`` and the presets with a target except ``celeba-reconstruct``, ``omniglot-parse`` and
the paper's own; the entropy weights have one in every preset with a target except the paper's own. These presets were
measured with it, and earlier runs and models continue with it. Frames of the model that a run began with count; their
number is in the checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from spiral.configuration.schema import LearnerConfig
from spiral.runs.limits import Limits

NEW: Mapping[str, Any] = MappingProxyType({})
"""The state of a new run."""


def rate_left(config: LearnerConfig, frames: int, run_share: float) -> float:
    """Share of the learning rate, 0 to 1, that is left after this many learned frames and this share of the run."""
    return _falling(config.learning_rate_floor, config.learning_rate_frames, frames, run_share)


def entropy_left(config: LearnerConfig, frames: int, run_share: float) -> float:
    """Share of the entropy weights that is left, likewise."""
    return _falling(config.entropy_floor, config.entropy_frames, frames, run_share)


def average_decay(config: LearnerConfig, run_share: float) -> float:
    """Decay of the running average after this share of the run, 0 to 1."""
    left = _falling(config.average_floor, None, 0, run_share)
    # 1 - 1 / (left · length), written so that it is exactly ``average`` at the start.
    return max(0.0, config.average - (1 - config.average) * (1 / left - 1))


def falls_over_run(config: LearnerConfig) -> bool:
    """Whether some schedule falls over the run and not by frames."""
    rate = config.learning_rate_frames is None and config.learning_rate_floor < 1
    entropy = config.entropy_frames is None and config.entropy_floor < 1
    return rate or entropy or config.average_floor < 1


def _falling(floor: float, over: int | None, frames: int, run_share: float) -> float:
    """Linear from 1 to ``floor`` over ``over`` frames; None: over the whole run."""
    return 1 - (1 - floor) * (run_share if over is None else min(1.0, frames / over))


class Schedule:
    """The share of the run that is done: 0 at its beginning, 1 at its end, and never less than before.

    Each step takes the same fraction of the share that is left as of the run that is left. So a run continues from its
    share to 1 under any new limit, and only share and frames need to be kept. With a limit of frames a resumed run has
    the same shares, bit for bit.
    """

    def __init__(self, limits: Limits, run_frames: int, kept: Mapping[str, Any] = NEW, restart: int = 0) -> None:
        """``run_frames`` is the length if there is no limit. ``kept`` is the checkpoint's :meth:`state`.

        ``restart``: learned frames at which a restart was asked for; a share that began before that becomes 0.
        """
        self._limits, self._run_frames = limits, run_frames
        self.share, self._began = float(kept.get("share", 0)), int(kept.get("began", 0))
        if restart > self._began:
            self.share, self._began = 0.0, restart
        self._done: float | None = None

    def state(self) -> dict[str, Any]:
        """The state for a checkpoint: the share, and the learned frames at which it was 0."""
        return {"share": self.share, "began": self._began}

    def advance(self, seconds: float, frames: int) -> float:
        """The share after ``seconds`` of this start and ``frames`` learned over the whole run.

        The first call returns the kept share and continues from there.
        """
        before, self._done = self._done, self._of_run(seconds, frames)
        if before is not None and self._done >= 1:
            self.share = 1.0
        elif before is not None:
            self.share += (1 - self.share) * (self._done - before) / (1 - before)
        return self.share

    def _of_run(self, seconds: float, frames: int) -> float:
        done = self._limits.done(seconds, frames)
        return (frames - self._began) / self._run_frames if done is None else done
