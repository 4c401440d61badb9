"""What a policy sees."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the agent sees before each of ``T`` actions of ``B`` episodes."""

    seen: Tensor
    """What :meth:`Policy.watch` made of the observations, ``[T, B, …]``."""
    previous_action: Tensor
    """int64 ``[T, B, K]``; zeros before the first action."""
    step: Tensor
    """int64 ``[T]``, or ``[T, B]`` where it differs between episodes; number of actions executed so far in the
    episode, 0 … num_actions − 1."""
    noise: Tensor | None = None
    """float32 ``[B, Z]``, one draw an episode."""
    target: Tensor | None = None
    """The pictures to reproduce, seen likewise, ``[B, …]``."""

    @property
    def steps(self) -> Tensor:
        """``step`` with an axis for the episodes, which is 1 long where they agree."""
        return self.step if self.step.dim() == 2 else self.step.unsqueeze(1)

    def take(self, episodes: Tensor) -> Inputs:
        """Those of some episodes, by their indices; one may be taken several times."""
        return Inputs(
            seen=self.seen[:, episodes],
            previous_action=self.previous_action[:, episodes],
            step=self.step[:, episodes] if self.step.dim() == 2 else self.step,
            noise=None if self.noise is None else self.noise[episodes],
            target=None if self.target is None else self.target[episodes],
        )
