"""Adapts the weights of a narrow network to a wider one, which at first computes what the narrow one did.

It helps a model that has stopped improving. After Chen et al., "Net2Net" (ICLR 2016), where new units are copies of old
ones; here they are initialized as in any new network, so no two are alike, and nothing reads them yet. In the same way
a glimpse (:mod:`spiral.policy.glimpse`) or patches (:mod:`spiral.policy.sight`) can be added to a model.
"""

from __future__ import annotations

from torch import Tensor


def widen(known: Tensor, fresh: Tensor, axes: tuple[int, ...], listens: bool) -> Tensor:
    """``fresh``, with ``known`` in its first rows and columns.

    Only ``axes`` may be longer. If other axes are longer, or these are shorter, ``known`` is returned as it is.
    ``listens``: the columns are units that the layer reads, and its known rows do not read the new units.
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
