"""Checks that tensors are finite: infinite values and NaN come from no learning and teach nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether every value of all tensors is finite."""
    floats = [tensor.detach() for tensor in tensors if tensor.is_floating_point() and tensor.numel()]
    # The largest magnitude of each tensor, in one pass; NaN propagates.
    return not floats or bool(
        torch.stack([norm.float() for norm in torch._foreach_norm(floats, math.inf)]).isfinite().all()
    )


class NotFiniteValuesError(ValueError):
    """A tensor holds values that are not finite; the message is a sentence that names it."""


def require_finite(tensors: Mapping[str, Tensor], what: str) -> None:
    """Raise NotFiniteValuesError, which names a tensor, if a value is not finite."""
    if all_finite(tensors.values()):
        return
    name = min(name for name, tensor in tensors.items() if not all_finite([tensor]))
    raise NotFiniteValuesError(
        f'{what}: "{name}" holds values that are not finite; its training has diverged, use one from before'
    )
