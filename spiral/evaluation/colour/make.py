"""Train the color encoder on the training splits of `emoji` and `faces` and write colour.safetensors.

    python -m spiral.evaluation.colour.make

This takes a few minutes on one core. It is seeded: the same torch version on the same processor with as many threads
gives the same weights. The numbers of the shipped file are in README.md beside it.

It learns without labels: two disturbed copies of a picture should be more alike than copies of different pictures
(NT-Xent, Chen et al. 2020, equation 1). The copies are moved, scaled, noisy and partly hidden, but never recolored or
mirrored, because a painting can be wrong in color and handedness.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from spiral.datasets import load
from spiral.evaluation.colour import CHANNELS, WEIGHTS_FILE, ColourEncoder, colour_features
from spiral.evaluation.features import FEATURES, SIDE, ink_of
from spiral.values.atomic_file import atomic_write

SEED = 0
SETS = ("emoji", "faces")
UPDATES = 600
BATCH = 256
LEARNING_RATE = 1e-3
# NT-Xent's temperature; 0.2 works for batches of some hundreds (Chen et al. 2020, table 5 and appendix B.7).
TEMPERATURE = 0.2
# How far a copy is moved (share of the side), scaled, made noisy (standard deviation), and partly hidden (pixels).
SHIFT, SCALE, NOISE, HIDDEN = 0.12, 0.15, 0.08, 10


def main(argv: list[str]) -> int:
    """Train and write the weights beside this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(argv)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    pictures = np.concatenate([load(name, SIDE, colour=True).train for name in SETS])
    network = train(pictures)
    with atomic_write(WEIGHTS_FILE) as aside:
        save_file(network.state_dict(), aside, metadata={"sets": " ".join(SETS), "torch": torch.__version__})
        aside.chmod(0o644)  # safetensors writes files that only the owner can read
    print(f"{WEIGHTS_FILE}: {WEIGHTS_FILE.stat().st_size} bytes, from {len(pictures):,} pictures")
    return 0


def train(pictures: NDArray[np.uint8], seed: int = SEED, updates: int = UPDATES, batch: int = BATCH) -> ColourEncoder:
    """Train on uint8 [N, 32, 32, 3] with Adam and a cosine learning rate to 0; features are scaled at the end."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network, head = ColourEncoder(), nn.Sequential(nn.ReLU(), nn.Linear(FEATURES, FEATURES))
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam([*network.parameters(), *head.parameters()], lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, updates)
    for update in range(updates):
        chosen = torch.randint(len(pictures), (batch,), generator=generator).numpy()
        ink = ink_of(pictures[chosen], CHANNELS)
        copies = torch.cat([disturbed(ink, generator), disturbed(ink, generator)])
        loss = nt_xent(head(network(copies)), TEMPERATURE)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        if (update + 1) % 50 == 0:
            print(f"update {update + 1}/{updates}: loss {loss.item():.3f}", flush=True)
    _standardise(network, pictures)
    return network.eval()


def nt_xent(projections: Tensor, temperature: float) -> Tensor:
    """The normalized cross-entropy of finding a copy's twin: float32 [2B, F], row i and row i + B are twins."""
    unit = nn.functional.normalize(projections, dim=1)
    likeness = unit @ unit.T / temperature
    likeness = likeness.masked_fill(torch.eye(len(unit), dtype=torch.bool), -torch.inf)
    twins = torch.arange(len(unit)).roll(len(unit) // 2)
    return nn.functional.cross_entropy(likeness, twins)


def disturbed(ink: Tensor, generator: torch.Generator) -> Tensor:
    """A moved, scaled, noisy, partly hidden copy of each picture: float32 [N, 3, 32, 32] twice."""
    count = len(ink)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator) * 2 - 1

    affine = torch.zeros(count, 2, 3)
    affine[:, 0, 0] = affine[:, 1, 1] = 1 + SCALE * uniform(count)
    affine[:, :, 2] = 2 * SHIFT * uniform(count, 2)
    grid = nn.functional.affine_grid(affine, list(ink.shape), align_corners=False)
    moved = nn.functional.grid_sample(ink, grid, align_corners=False)  # pixels from outside are white
    noisy = moved + NOISE * uniform(count, 1, 1, 1).abs() * torch.randn(ink.shape, generator=generator)
    corner = torch.randint(SIDE - HIDDEN, (2, count, 1, 1), generator=generator)
    at = torch.arange(SIDE)
    rows, columns = at.view(1, SIDE, 1) - corner[0], at.view(1, 1, SIDE) - corner[1]
    hidden = (rows >= 0) & (rows < HIDDEN) & (columns >= 0) & (columns < HIDDEN)
    patch = torch.rand(count, 3, 1, 1, generator=generator)
    return torch.where(hidden.unsqueeze(1), patch, noisy)


def _standardise(network: ColourEncoder, pictures: NDArray[np.uint8]) -> None:
    """Scale the features to mean 0 and an average variance of 1; the scale of every distance depends on it."""
    features = colour_features(network, pictures)
    scale = float(np.sqrt(features.var(axis=0).mean()))
    with torch.no_grad():
        network.features.bias.sub_(torch.from_numpy(features.mean(axis=0)).float()).div_(scale)
        network.features.weight.div_(scale)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
