"""Train the LeNet on MNIST's 60,000 training digits and write lenet.safetensors.

    python -m spiral.evaluation.lenet.make

This takes two minutes on one core and needs the data set `mnist`. It is seeded: the same torch version on the same
processor with as many threads gives the same weights. The numbers of the shipped file are in README.md beside it.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from spiral.datasets import Dataset, load
from spiral.evaluation.features import SIDE, ink_of
from spiral.evaluation.lenet import CHANNELS, WEIGHTS_FILE, LeNet, features_and_probabilities
from spiral.values.atomic_file import atomic_write

SEED = 0
EPOCHS = 10
BATCH = 128
LEARNING_RATE = 2e-3
# Each batch is moved by up to a pixel, which every digit's white border allows. Otherwise the network memorizes the
# training digits, and "real against real" would measure that.
LARGEST_SHIFT = 1


def main(argv: list[str]) -> int:
    """Train, report the test accuracy, write the weights beside this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args(argv)
    torch.use_deterministic_algorithms(True)
    network, accuracy = train(load("mnist", SIDE, colour=False))
    with atomic_write(WEIGHTS_FILE) as aside:
        save_file(
            network.state_dict(), aside, metadata={"test_accuracy": f"{accuracy:.4f}", "torch": torch.__version__}
        )
        aside.chmod(0o644)  # safetensors writes files that only the owner can read
    print(f"{WEIGHTS_FILE}: {WEIGHTS_FILE.stat().st_size} bytes, test accuracy {accuracy:.4f}")
    return 0


def train(data: Dataset, seed: int = SEED, epochs: int = EPOCHS) -> tuple[LeNet, float]:
    """Train on `data.train` with cross-entropy, Adam and a cosine learning rate to 0.

    Returns the network and its test accuracy. The size of the features, and so the scale of every LeNet-FID, depends
    on this recipe: label smoothing of 0.1, for instance, shrinks "real against real" tenfold.
    """
    if data.train_labels is None or data.test_labels is None:
        raise ValueError(f"{data.name} has no labels; the classifier learns from digits with labels")
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = LeNet()
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    updates = epochs * (len(data.train) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, updates)
    labels = torch.from_numpy(data.train_labels)
    for epoch in range(epochs):
        order = rng.permutation(len(data.train))
        losses = []
        for start in range(0, len(order) - BATCH + 1, BATCH):
            chosen = order[start : start + BATCH]
            down, across = rng.integers(-LARGEST_SHIFT, LARGEST_SHIFT + 1, size=2)
            ink = torch.roll(ink_of(data.train[chosen], CHANNELS), (int(down), int(across)), (2, 3))
            loss = nn.functional.cross_entropy(network(ink), labels[chosen])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}/{epochs}: loss {np.mean(losses):.4f}, test {test_accuracy(network, data):.4f}")
    return network.eval(), test_accuracy(network, data)


def test_accuracy(network: LeNet, data: Dataset) -> float:
    """Share of `data.test` that the network classifies correctly, 0…1."""
    _, probabilities = features_and_probabilities(network, data.test)
    return float(np.mean(probabilities.argmax(1) == data.test_labels))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
