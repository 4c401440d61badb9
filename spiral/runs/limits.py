"""The limits of a run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """When a run ends. If both limits are None, it ends when it is stopped."""

    frames: int | None = None
    """Learned frames of the whole run."""
    minutes: float | None = None
    """Minutes of training since this start."""
    from_s: float | None = None
    """Seconds of training, over all starts, from which ``minutes`` count instead. A learner that died and was restarted
    thus keeps the limit of its start."""

    @property
    def seconds(self) -> float | None:
        """``minutes``, in seconds."""
        return None if self.minutes is None else self.minutes * 60

    def done(self, seconds: float, frames: int) -> float | None:
        """Share of the limit (of two, the nearer one) that is done: 1 or more at the end; None without a limit."""
        shares = []
        if self.frames is not None:
            shares.append(frames / self.frames)
        if self.seconds is not None:
            shares.append(seconds / self.seconds)
        return max(shares, default=None)

    def seconds_left(self, seconds: float, frames: int, frames_per_s: float | None) -> float | None:
        """Seconds to the nearer limit, 0 or more; None if there is no limit or no rate yet to compute it from."""
        left = []
        if self.seconds is not None:
            left.append(self.seconds - seconds)
        if self.frames is not None and frames_per_s:
            left.append((self.frames - frames) / frames_per_s)
        return max(0.0, min(left)) if left else None
