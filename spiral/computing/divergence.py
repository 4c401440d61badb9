"""Detects an update that is not finite, and undoes what led to it.

Weights are known to be *sound* when they have given a finite loss and gradient. A copy of sound weights is kept. If a
loss, a gradient or the weights after a step are not finite, none of it is applied and learning continues from the copy.
After the third time in a row it makes no sense to continue: the cause is a setting.

    sound.passed(loss, gradient_norm)   # after the backward pass, before the step; NotFiniteError
    optimiser.step()
    sound.stepped(again)                # NotFiniteError
    …
    sound.undo(error)                   # where the error is caught; DivergedError at the third
    sound.check()                       # before a checkpoint: the newest weights, or else the copy
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

IN_A_ROW = 3
"""Failures in a row that end a run; a single one may be bad luck."""
KEEP_EVERY = 200
"""Updates between two copies: a few seconds of learning, compared with which a copy costs nothing."""

_log = logging.getLogger(__name__)


class NotFiniteError(ArithmeticError):
    """A loss, gradient, weight or score is not finite; the message says which."""


class DivergedError(RuntimeError):
    """Learning can't go on with these settings; the message is a sentence that names the one to change."""

    def __init__(self, service: str, sentence: str) -> None:
        super().__init__(sentence)
        self.service = service
        """The service whose network has diverged, ``learner`` or ``discriminator``."""


class SoundWeights:
    """Keeps sound weights of a ``service``'s ``modules``, with the state of their ``optimiser``.

    ``advice`` says which setting to change: "lower learner.learning_rate, which is 1e+30".
    """

    def __init__(
        self, service: str, modules: Sequence[nn.Module], optimiser: torch.optim.Optimizer, advice: str
    ) -> None:
        self._service, self._advice = service, advice
        self._modules, self._optimiser = modules, optimiser
        self._weights = list(modules[0].parameters())
        self._copies: list[Tensor] = []
        self._states = 0
        """Parameters with an optimizer state when the copy was made."""
        self._age = 0
        """Steps since the copy was made; their result may not be sound."""
        self._in_a_row = 0
        self._again: Callable[[], object] | None = None
        """Recomputes the last gradient; None once the weights are known to be sound."""

    def passed(self, loss: Tensor, gradient_norm: Tensor, keep: bool = False) -> None:
        """Report the loss and gradient that the weights gave. NotFiniteError if they are not finite. Otherwise the
        weights are sound; they are copied if a copy is due or ``keep`` asks for it."""
        for what, value in (("loss", loss), ("gradient", gradient_norm)):
            if not math.isfinite(value.item()):
                raise NotFiniteError(f"the {what} is not finite")
        if self._age:
            self._in_a_row = 0
        if keep or not self._copies or self._age >= KEEP_EVERY:
            self._keep()

    def stepped(self, again: Callable[[], object], steps: int = 1) -> None:
        """Report ``steps`` of the optimizer. NotFiniteError if the weights have not stayed finite. ``again`` can show
        whether they are sound: it computes a gradient and reports it with ``keep``."""
        self._age += steps
        self._again = again
        # In float32 the norm overflows before the weights do; weights that large are lost, too.
        if not math.isfinite(float(torch.nn.utils.get_total_norm(self._weights))):
            raise NotFiniteError("the weights are not finite")

    def check(self) -> bool:
        """Whether the newest weights are sound; if not, the copy has been restored. DivergedError as for
        :meth:`undo`."""
        again, self._again = self._again, None
        try:
            if again is not None:
                again()
        except NotFiniteError as error:
            self.undo(error)
            return False
        return True

    def undo(self, error: NotFiniteError) -> None:
        """Go back to the copy. DivergedError if this happens too often in a row."""
        self._restore()
        self._in_a_row += 1
        _log.warning("%s after an update, which is taken back (%d in a row)", error, self._in_a_row)
        if self._in_a_row >= IN_A_ROW:
            raise DivergedError(
                self._service,
                f"learning has diverged: {error}, {self._in_a_row} times in a row; {self._advice}; "
                "what was learned before is kept",
            )

    @torch.no_grad()
    def _keep(self) -> None:
        live = self._live()
        if len(live) == len(self._copies):
            torch._foreach_copy_(self._copies, live)
        else:
            self._copies = [tensor.detach().clone() for tensor in live]
        self._states, self._age = len(self._optimiser.state), 0

    @torch.no_grad()
    def _restore(self) -> None:
        if self._copies:
            for parameter in list(self._optimiser.state)[self._states :]:  # their first step was after the copy
                del self._optimiser.state[parameter]
            torch._foreach_copy_(self._live(), self._copies)
        self._age, self._again = 0, None

    def _live(self) -> list[Tensor]:
        """All tensors that a step changes."""
        weights = [tensor for module in self._modules for tensor in module.state_dict(keep_vars=True).values()]
        return weights + [value for state in self._optimiser.state.values() for value in state.values()]
