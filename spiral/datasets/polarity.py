"""Whether pictures are dark on white, as the engine paints."""

from __future__ import annotations

import numpy as np

from spiral.datasets.dataset import Pictures

# The paper of scans is above 200, the ground of light drawings on dark below 30; photographs are mostly between.
_DARK = 64
_LOOKED_AT = 256


def light_on_dark(pictures: Pictures) -> str | None:
    """A hint where the edges of uint8 [N, H, W, C] are dark, as those of white writing on black; else None."""
    some = pictures[:: -(-len(pictures) // _LOOKED_AT)]
    sides = (some[:, 0], some[:, -1], some[:, :, 0], some[:, :, -1])
    brightness = float(np.mean([side.mean() for side in sides]))
    if brightness >= _DARK:
        return None
    return (
        f"the edges of the pictures are dark (mean brightness {brightness:.0f} of 255), but here paper is white and "
        "ink is dark. If they are writing or drawings, invert them first, for example with ImageMagick: "
        "mkdir inverted && mogrify -path inverted -negate *.png"
    )
