"""What keeps a model from its goal: ``python -m benchmarks.what_is_left mnist``.

The same draws are painted and measured again with one fault fixed at a time. From nothing, on digits: equal shares of
the ten digits, stronger ink. After a target: surer choices (a lower temperature), the best of several paintings, a
search that begins with the best. Whatever helps most is what learning still has to find. Measured on the validation
pictures of a model that held them out, otherwise on the test pictures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiral.engines.programs import render
from spiral.evaluation.digits import DIGITS, real_digits
from spiral.evaluation.encoders import lenet_encoder
from spiral.evaluation.frechet import frechet_distance, gaussian_of, weighted_gaussian
from spiral.evaluation.lenet import CLASSES
from spiral.evaluation.runs import Targets
from spiral.evaluation.targets import mse
from spiral.models import find_model
from spiral.models.trained import Trained
from spiral.models.with_torch import load_model
from spiral.reconstruction.search import Search
from spiral.values import strict_json

INK = (1.1, 1.2)
"""Factors on the ink, which is everything that is not white."""
TEMPERATURES = (0.5, 0)
BEST_OF = (1, 16, 64, 256)
REFINED, CHANGES = 16, (200, 800)
"""The best of how many paintings is refined by how many changes, as `spiral reconstruct --refine` does it."""
SEARCHED_AT_ONCE = 256
"""Targets; a search takes no more than `MOST_TARGETS`."""


def stronger(canvases: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """Pictures with ``factor`` times their ink, clipped at black."""
    return (255 - ((255.0 - canvases) * factor).clip(0, 255)).round().astype(np.uint8)


def from_nothing(trained: Trained, num: int) -> dict[str, float]:
    """LeNet-FID as painted and with each fault fixed; the share of clear digits, and that of the most frequent one.

    ValueError for a model of anything but digits.
    """
    if trained.config.data not in DIGITS:
        raise ValueError(f"model: it learned from {trained.config.data}; from nothing only digits can be measured here")
    encoder = lenet_encoder()
    split = trained.config.tuning_split
    digits, _ = real_digits(hold_out_validation=split == "validation").split(split)
    real = gaussian_of(encoder.encode(digits).features)
    canvases, _ = trained.paint(num, 0)
    encoded = encoder.encode(canvases)
    if encoded.probabilities is None:
        raise ValueError("the LeNet sees no digits")
    seen = encoded.probabilities.argmax(1)
    shares = np.bincount(seen, minlength=CLASSES) / num
    equal = weighted_gaussian(encoded.features, (1 / CLASSES / shares)[seen])
    found = {
        "as painted": frechet_distance(gaussian_of(encoded.features), real),
        "equal shares of the digits": frechet_distance(equal, real),
    }
    for factor in INK:
        inked = gaussian_of(encoder.encode(stronger(canvases, factor)).features)
        found[f"ink × {factor}"] = frechet_distance(inked, real)
    found["share of paintings with a digit at 0.9 or more"] = float((encoded.probabilities.max(1) >= 0.9).mean())
    found["largest share of a digit"] = float(shares.max())
    return found


def after_targets(trained: Trained, num: int) -> dict[str, float]:
    """Error to unseen targets: drawn as the policy draws, more decidedly, the best of several as `spiral reconstruct
    --attempts` keeps it, and that one refined."""
    split = trained.config.tuning_split
    targets = Targets.of(trained.data(split), num, 0, split)
    found = {}
    for temperature in TEMPERATURES:
        _, _, error = attempt(replace(trained, temperature=temperature), targets, 0)
        found[f"temperature {temperature:g}"] = float(error.mean())
    labels = targets.labels if trained.config.data in DIGITS else None
    best, programs, least = attempt(trained, targets, 0)
    for tries in range(1, max(BEST_OF) + 1):
        if tries > 1:
            canvases, actions, error = attempt(trained, targets, tries - 1)
            better = error < least
            best[better], programs[better], least[better] = canvases[better], actions[better], error[better]
        if tries in BEST_OF:
            found |= described(f"the best of {tries}", best, least, labels)
        if tries == REFINED:
            for changes, (canvases, errors) in refined(trained, targets.pictures, programs).items():
                found |= described(f"that and {changes} changes", canvases, errors, labels)
    return found


def refined(
    trained: Trained, targets: NDArray[np.uint8], programs: NDArray[np.int32]
) -> dict[int, tuple[NDArray[np.uint8], NDArray[np.float64]]]:
    """The canvases of refined programs [N, T, K] and their errors [N], by number of changes."""
    found: dict[int, list[tuple[NDArray[np.uint8], NDArray[np.float64]]]] = {changes: [] for changes in CHANGES}
    for start in range(0, len(targets), SEARCHED_AT_ONCE):
        some = slice(start, start + SEARCHED_AT_ONCE)
        search = Search(trained.engine, targets[some], programs[some], trained.config.policy.moves, seed=0)
        for changes in CHANGES:
            search.advance(changes - search.tried)
            canvases = [render(trained.program(actions)) for actions in search.programs]
            found[changes].append((np.concatenate(canvases), search.errors))
        search.close()
    return {
        changes: (np.concatenate([canvases for canvases, _ in parts]), np.concatenate([errors for _, errors in parts]))
        for changes, parts in found.items()
    }


def described(
    name: str, canvases: NDArray[np.uint8], errors: NDArray[np.float64], digits: NDArray[np.integer[Any]] | None
) -> dict[str, float]:
    """The mean error of paintings, and how many are read as their target's digit where it has one."""
    found = {name: float(errors.mean())}
    if digits is not None and (seen := lenet_encoder().encode(canvases).probabilities) is not None:
        found[f"{name}, read as the target's digit"] = float((seen.argmax(1) == digits).mean())
    return found


def attempt(
    trained: Trained, targets: Targets, seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.float64]]:
    """One painting of each target, its actions [N, T, K], and its mean squared error [N] in the agent's view."""
    canvases, actions = trained.paint(len(targets.pictures), seed, targets.pictures)
    return canvases, actions, mse(trained.view(canvases), targets.pictures)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure a model that ships, or one in a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="name, or folder")
    parser.add_argument("--num", type=int, default=4096, help="paintings (default 4,096)")
    given = parser.parse_args(argv)
    trained = load_model(find_model(given.model))
    found = after_targets(trained, given.num) if trained.config.conditional else from_nothing(trained, given.num)
    print(strict_json.report({name: round(value, 4) for name, value in found.items()}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
