"""Whether programs look the same at every size: ``python -m benchmarks.rerendering --out docs/pictures``.

A shipped model's paintings (``pen``), and random ones with the soft brush (``dry_brush``), are repainted 4 and 8 times
as large, averaged down by area to their original size, and compared with the originals.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spiral import pictures
from spiral.engines import create
from spiral.engines.programs import Program, render
from spiral.models import find_model
from spiral.models.with_torch import load_model
from spiral.values import strict_json

SCALES = (4, 8)
"""256 and 512 pixels for a canvas of 64."""
PAINTINGS, SHOWN = 64, 2
SOFT = {"brush": "classic/dry_brush", "grid": 16, "brush_sizes": [2, 4, 8, 12, 24], "view": 32, "colour": True}
"""A soft brush, that of the preset ``celeba``."""


def correlations(small: NDArray[np.uint8], large: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Pearson's r of each picture [N, H, W, C] with its enlargement, averaged down by area: [N]."""
    count, height, width, channels = small.shape
    scale = large.shape[1] // height
    averaged = large.astype(np.float64).reshape(count, height, scale, width, scale, channels).mean((2, 4))
    return np.array([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(small, averaged, strict=True)])


def learnt(model: str) -> list[Program]:
    """Programs of a shipped model."""
    trained = load_model(find_model(model))
    _, actions = trained.paint(PAINTINGS, seed=1)
    return [trained.program(painting) for painting in actions]


def random_strokes(num_actions: int) -> list[Program]:
    """Uniform actions with the soft brush, in color."""
    engine = create("mypaint", SOFT)
    actions = np.random.default_rng(1).integers(0, engine.spec.sizes, (PAINTINGS, num_actions, len(engine.spec.sizes)))
    return [Program("mypaint", SOFT, painting.astype(np.int32)) for painting in actions]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure both brushes, and draw some examples."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/out"), help="folder of the picture")
    out: Path = parser.parse_args(argv).out
    result = {}
    for brush, programs in {"pen": learnt("mnist"), "dry_brush": random_strokes(8)}.items():
        painted = {scale: np.stack([render(program, scale)[-1] for program in programs]) for scale in (1, *SCALES)}
        for scale in SCALES:
            r = correlations(painted[1], painted[scale])
            result[f"{brush}.x{scale}"] = {"mean": round(float(r.mean()), 4), "least": round(float(r.min()), 4)}
        ink = {scale: 255 - float(images.mean()) for scale, images in painted.items()}
        result[f"{brush}.ink"] = {"small over largest": round(ink[1] / ink[SCALES[-1]], 3)}
        sizes = {f"{scale * 64} pixels": enlarged(images[:SHOWN], 512) for scale, images in painted.items()}
        pictures.save_png(pictures.strip(sizes, scale=1), out / f"rerendering-{brush}.png")
    print(strict_json.report(result, indent=1))
    return 0


def enlarged(images: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Repeat pixels until pictures are ``side`` wide, so that all sizes can be seen beside each other."""
    factor = side // images.shape[1]
    return images.repeat(factor, 1).repeat(factor, 2)


if __name__ == "__main__":
    sys.exit(main())
