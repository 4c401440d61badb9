"""Decodes many picture files of one size and converts them to a view; reports all faults in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from spiral.datasets.dataset import Pictures, View
from spiral.datasets.decoding import decode
from spiral.datasets.reading import digest, rows_of_a_chunk
from spiral.datasets.trees import Tree

# uint8 [1, H, W, 1 or 3] as decoded → uint8 [1, H, W, C] in the view
Bring = Callable[[Pictures], Pictures]

# So many faults are named one by one in a message.
_NAMED = 5
# After the first fault so many pictures more are looked at, to say whether it is one file or all of them.
_LOOKED_AT = 2_000


def decoded(
    tree: Tree, names: Sequence[str], view: View, bring: Bring
) -> Iterator[tuple[Pictures, list[bytes], list[str]]]:
    """Yield the pictures of a tree, chunk by chunk: uint8 [n, H, W, C] in the view, their SHA-256, their names.

    Raises ValueError that names pictures that are damaged, too small or of another size than most.
    """
    faults: list[str] = []
    sizes: dict[tuple[int, int], list[str]] = {}
    chunk = np.empty((min(len(names), rows_of_a_chunk(view)), view.height, view.width, view.channels), np.uint8)
    digests: list[bytes] = []
    held: list[str] = []
    seen = wrong_since = 0
    for name in names:
        seen += 1
        try:
            picture = decode(tree.read(name), name)
        except ValueError as error:
            faults.append(str(error))
        else:
            sizes.setdefault((picture.shape[1], picture.shape[0]), []).append(name)
        if faults or len(sizes) > 1:
            wrong_since += 1
            if wrong_since > _LOOKED_AT:
                break
            continue
        chunk[len(held)] = bring(picture[np.newaxis])[0]
        digests.append(digest(picture))
        held.append(name)
        if len(held) == len(chunk):
            yield chunk, digests, held
            digests, held = [], []
    if faults:
        more = f"; and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
        raise ValueError(
            f"{tree.path}: {len(faults)} of {seen} pictures cannot be used: {'; '.join(faults[:_NAMED])}{more}"
        )
    _refuse_mixed(tree, sizes)
    if held:
        yield chunk[: len(held)], digests, held


def _refuse_mixed(tree: Tree, sizes: dict[tuple[int, int], list[str]]) -> None:
    if len(sizes) <= 1:
        return
    most, other, *_ = sorted(sizes, key=lambda size: -len(sizes[size]))
    raise ValueError(
        f"{tree.path}: pictures of {len(sizes)} different sizes; most are {most[0]}×{most[1]}, "
        f"but {sizes[other][0]} is {other[0]}×{other[1]}. Bring all to one size"
    )
