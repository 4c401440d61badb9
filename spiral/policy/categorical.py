"""Log-probability and entropy of a categorical distribution, with the gradient written out.

This takes one exponential and a handful of passes over the logits. Automatic differentiation of the usual formulas
takes three exponentials and about fifteen operations. The difference is a tenth of an update on a CPU.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


class _Categorical(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
        # With l the logits minus their maximum, log p = l − log Σ exp l and H = log Σ exp l − Σ p l.
        shifted = logits - logits.amax(-1, keepdim=True)
        p = shifted.exp()
        total = p.sum(-1, keepdim=True)
        p.div_(total)
        log_total = total.log_().squeeze(-1)
        entropy = log_total - torch.linalg.vecdot(p, shifted)
        ctx.save_for_backward(shifted.sub_(log_total.unsqueeze(-1)), p, chosen, entropy)
        return shifted.gather(-1, chosen.unsqueeze(-1)).squeeze(-1), entropy

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """∂ log p_a / ∂ l_i = [i = a] − p_i and ∂ H / ∂ l_i = −p_i (log p_i + H)."""
        log_p, p, chosen, entropy = ctx.saved_tensors
        of_log_prob, of_entropy = (gradient.unsqueeze(-1) for gradient in gradients)
        common = of_log_prob + of_entropy * entropy.unsqueeze(-1)
        gradient = torch.addcmul(common, of_entropy, log_p).mul_(p).neg_()
        return gradient.scatter_add_(-1, chosen.unsqueeze(-1), of_log_prob), None


def log_prob_and_entropy(logits: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probability of ``chosen`` ``[N]`` and entropy in nats, each ``[N]``; ``logits`` are ``[N, size]``.

    Computed at least in float32, whatever the type of the logits: with the 8 bits of bfloat16, importance weights would
    be rounded to steps of several percent.
    """
    with torch.autocast(logits.device.type, enabled=False):
        exact = logits.to(torch.promote_types(logits.dtype, torch.float32))
        log_prob, entropy = _Categorical.apply(exact, chosen)  # type: ignore[no-untyped-call]
    return log_prob, entropy
