"""The inputs of a policy."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the agent sees before each of ``T`` actions of ``B`` episodes."""

    seen: Tensor
    """The observations as :meth:`Policy.watch` prepared them, ``[T, B, …]``."""
    previous_action: Tensor
    """int64 ``[T, B, K]``; zeros before the first action."""
    step: Tensor
    """int64 ``[T]``, or ``[T, B]`` if it differs between episodes: the number of actions executed so far in the
    episode, 0 … num_actions − 1."""
    noise: Tensor | None = None
    """float32 ``[B, Z]``, one draw per episode."""
    target: Tensor | None = None
    """The targets, prepared by :meth:`Policy.see`, ``[B, …]``."""

    @property
    def steps(self) -> Tensor:
        """``step`` with an axis for the episodes, of length 1 if they agree."""
        return self.step if self.step.dim() == 2 else self.step.unsqueeze(1)

    def take(self, episodes: Tensor) -> Inputs:
        """The inputs of some episodes, by index; an index may be repeated."""
        return Inputs(
            seen=self.seen[:, episodes],
            previous_action=self.previous_action[:, episodes],
            step=self.step[:, episodes] if self.step.dim() == 2 else self.step,
            noise=None if self.noise is None else self.noise[episodes],
            target=None if self.target is None else self.target[episodes],
        )
