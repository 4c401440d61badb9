"""What falls as a run learns: learning rate, the entropy's weights, the average's length; and how far the run is.

What falls over the run falls over ``--minutes`` or ``--frames``, or over ``learner.run_frames`` where neither is given,
as in a cluster. So a slow machine reaches the floor as a fast one does. After that the floor stays. The presets
``demo`` and ``mnist`` let the learning rate fall in this way. The share of the run that is done is in the checkpoint;
only ``--restart-schedule`` sets it back.

What falls by frames (``learner.learning_rate_frames``, ``learner.entropy_frames``) needs no share. The learning rate
does so in ``faces``, ``quickdraw`` and the presets with a target except ``celeba-reconstruct``, ``omniglot-parse`` and
the paper's own; the entropy's weights do wherever there is a target, except in the paper's own. These presets were
measured with it, and runs and models from before continue with it. Frames of the model that a run began with count; the
checkpoint has their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from spiral.configuration.schema import LearnerConfig
from spiral.runs.limits import Limits

NEW: Mapping[str, Any] = MappingProxyType({})
"""What is kept of a run that begins."""


def rate_left(config: LearnerConfig, frames: int, run_share: float) -> float:
    """Share of the learning rate that is left after so many learned frames and that share of the run, 0 to 1."""
    return _falling(config.learning_rate_floor, config.learning_rate_frames, frames, run_share)


def entropy_left(config: LearnerConfig, frames: int, run_share: float) -> float:
    """Share of the entropy's weights that is left likewise."""
    return _falling(config.entropy_floor, config.entropy_frames, frames, run_share)


def average_decay(config: LearnerConfig, run_share: float) -> float:
    """Decay of the running average after that share of the run, 0 to 1."""
    left = _falling(config.average_floor, None, 0, run_share)
    # 1 - 1 / (left · length), written so that it is exactly ``average`` where all is left.
    return max(0.0, config.average - (1 - config.average) * (1 / left - 1))


def falls_over_run(config: LearnerConfig) -> bool:
    """Whether something falls over the whole run, and not over frames."""
    rate = config.learning_rate_frames is None and config.learning_rate_floor < 1
    entropy = config.entropy_frames is None and config.entropy_floor < 1
    return rate or entropy or config.average_floor < 1


def _falling(floor: float, over: int | None, frames: int, run_share: float) -> float:
    """From 1 to ``floor``, linearly, over so many frames; None: over the whole run."""
    return 1 - (1 - floor) * (run_share if over is None else min(1.0, frames / over))


class Schedule:
    """The share of the run that is done: 0 at its beginning, 1 at its end, and never less than before.

    Each step takes as much of the share that is left as it takes of the run that is left. So a run goes on from its
    share to 1 under any new limit, and nothing but share and frames has to be kept: with a limit of frames a resumed
    run has the same shares, bit for bit.
    """

    def __init__(self, limits: Limits, run_frames: int, kept: Mapping[str, Any] = NEW, restart: int = 0) -> None:
        """``run_frames`` count where there is no limit. ``kept`` is the :meth:`state` of the checkpoint.

        ``restart`` is where a restart was asked for, in learned frames: a share that began before becomes 0.
        """
        self._limits, self._run_frames = limits, run_frames
        self.share, self._began = float(kept.get("share", 0)), int(kept.get("began", 0))
        if restart > self._began:
            self.share, self._began = 0.0, restart
        self._done: float | None = None

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs: the share, and the learned frames at which it was 0."""
        return {"share": self.share, "began": self._began}

    def advance(self, seconds: float, frames: int) -> float:
        """The share after so many seconds of this start, and learned frames over the whole run.

        The first time it is what was kept: from there it goes on.
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
