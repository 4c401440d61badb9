"""When a run is over."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """When a run is over; both None: when it is stopped."""

    frames: int | None = None
    """Learned over the whole run."""
    minutes: float | None = None
    """Of training, since this start."""
    from_s: float | None = None
    """Seconds of training, over all starts, from which ``minutes`` count instead: those before a start that a learner
    which died in between belongs to."""

    @property
    def seconds(self) -> float | None:
        """``minutes``, in seconds."""
        return None if self.minutes is None else self.minutes * 60

    def done(self, seconds: float, frames: int) -> float | None:
        """Share of the limit that is reached, of two that of the nearer one: 1 or more at the end; None without."""
        shares = []
        if self.frames is not None:
            shares.append(frames / self.frames)
        if self.seconds is not None:
            shares.append(seconds / self.seconds)
        return max(shares, default=None)

    def seconds_left(self, seconds: float, frames: int, frames_per_s: float | None) -> float | None:
        """Time to the nearer limit, 0 or more; None if there is none, or no rate yet to reckon it from."""
        left = []
        if self.seconds is not None:
            left.append(self.seconds - seconds)
        if self.frames is not None and frames_per_s:
            left.append((self.frames - frames) / frames_per_s)
        return max(0.0, min(left)) if left else None
