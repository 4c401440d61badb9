"""Weights of a narrow network, made to fit a wider one, which computes what the narrow one did.

For a model that stands still. After Chen et al., "Net2Net" (ICLR 2016), whose new units are copies of old ones; here
they are as fresh as in any new network, so that no two are alike, and nothing listens to them yet. In the same way a
model can be given a glimpse (:mod:`spiral.policy.glimpse`) or patches (:mod:`spiral.policy.sight`) that it had not.
"""

from __future__ import annotations

from torch import Tensor


def widen(known: Tensor, fresh: Tensor, axes: tuple[int, ...], listens: bool) -> Tensor:
    """``fresh``, with ``known`` in its first rows and columns.

    Only ``axes`` may be longer: where others are, or these shorter, ``known`` comes back as it is. ``listens``: the
    columns are units that the layer reads, and what it knew does not hear the new ones.
    """
    if known.dim() != fresh.dim() or known.shape == fresh.shape:
        return known
    for axis, (before, size) in enumerate(zip(known.shape, fresh.shape, strict=True)):
        if before > size or (before < size and axis not in axes):
            return known
    wide = fresh.detach().clone()
    if listens and known.dim() == 2:
        wide[: len(known), known.shape[1] :] = 0
    wide[tuple(slice(size) for size in known.shape)] = known
    return wide
