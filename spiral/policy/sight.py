"""Patches: the pixels around the pen and around the places of a stroke, for the components that are chosen after them.

Colors are chosen after the places of a stroke. One layer can't find the color of a place among all pictures and places.
But once the place is chosen, the few pixels around it can be looked up.
"""

from __future__ import annotations

import torch
from torch import Tensor

from spiral.policy.inputs import Inputs
from spiral.values.actions import Component, middles


def around(component: Component, picture: tuple[int, int, int], patch: int) -> Tensor:
    """Indices, in a flat picture ``[H, W, C]``, of the patch around each place: int64 ``[side², patch² · C]``.

    Places are where the engine sees them; where it says nothing, place i of n is at i/n of the canvas (docs/method.md,
    4). If lattice and picture have the same size, that is the corner between four cells: an odd patch reaches one cell
    further down and right than up and left. Beyond an edge the cells at the edge are repeated.
    """
    height, width, channels = picture
    reach = torch.arange(patch) - patch // 2
    middle = torch.from_numpy(middles(component, height, width))
    rows, columns = (middle[:, axis, None] + reach for axis in (0, 1))
    cells = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
    values = cells.unsqueeze(-1) * channels + torch.arange(channels)
    return values.reshape(component.size, patch * patch * channels)


class Sight:
    """The pens of ``N = T · B`` frames, and the patches of painting and target around the known places."""

    def __init__(self, inputs: Inputs, T: int, pen: int) -> None:
        """``pen``: the component at whose place an action leaves the pen."""
        B = inputs.previous_action.shape[1]
        self.pens = inputs.previous_action[:T, :, pen].reshape(-1)
        """Places, int64 ``[M]``."""
        self._frames = torch.arange(T * B, device=inputs.seen.device)
        self._episodes = B
        self._size = inputs.seen.shape[-1]
        self._painting = inputs.seen[:T].reshape(-1)
        self._target = None if inputs.target is None else inputs.target.reshape(-1)
        self.patches = inputs.seen.new_empty(T * B, 0)
        """All patches so far, ``[M, places · patch² · C]``; twice as many columns with a target."""

    def narrow(self, kept: Tensor) -> None:
        """Keep only these frames."""
        self._frames = self._frames[kept]
        self.pens = self.pens[kept]
        self.patches = self.patches[kept]

    def look(self, places: Tensor, table: Tensor) -> None:
        """Add the patch around one more place ``[M]`` of each frame; ``table`` is from :func:`around`."""
        at = table[places]
        found = [self.patches, torch.take(self._painting, self._frames.unsqueeze(1) * self._size + at)]
        if self._target is not None:
            episodes = self._frames % self._episodes
            found.append(torch.take(self._target, episodes.unsqueeze(1) * self._size + at))
        self.patches = torch.cat(found, -1)
