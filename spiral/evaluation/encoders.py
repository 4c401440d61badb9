"""Encoders: small networks whose features represent pictures when distributions are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiral.datasets.views import resize, with_channels
from spiral.evaluation.colour import colour_features, load_colour_encoder
from spiral.evaluation.digits import views_of_lenet
from spiral.evaluation.features import SIDE
from spiral.evaluation.lenet import features_and_probabilities, load_lenet


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Encoded pictures: features float64 [N, F], and probabilities of the ten digits [N, 10] or None."""

    features: NDArray[np.float64]
    probabilities: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True, eq=False)
class Encoder:
    """A network that turns square uint8 [N, S, S, 1 or 3] into features. Figures of different encoders don't compare.

    `key` begins the names of its figures, `name` is for people, `side` and `colour` are the view in which it needs a
    data set.
    """

    key: str
    name: str
    side: int
    colour: bool
    encode: Callable[[NDArray[np.uint8]], Encoded]


def lenet_encoder() -> Encoder:
    """The LeNet that was trained on digits, for every gray set: its first layers know strokes, whatever they show."""
    network = load_lenet()

    def encode(images: NDArray[np.uint8]) -> Encoded:
        return Encoded(*features_and_probabilities(network, views_of_lenet(images)))

    return Encoder("lenet", "LeNet", SIDE, False, encode)


def colour_encoder() -> Encoder:
    """The encoder that was trained on emoji and drawn faces, for every color set."""
    network = load_colour_encoder()

    def encode(images: NDArray[np.uint8]) -> Encoded:
        return Encoded(colour_features(network, views_of_colour(images)), None)

    return Encoder("colour", "colour encoder", SIDE, True, encode)


def encoder_for(channels: int, digits: bool) -> Encoder:
    """The encoder of a run's pictures: the LeNet for digits and all gray sets, otherwise the color encoder."""
    return lenet_encoder() if digits or channels == 1 else colour_encoder()


def views_of_colour(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert uint8 [N, S, S, 1 or 3] to uint8 [N, 32, 32, 3]; ValueError for another shape or dtype."""
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] not in (1, 3):
        raise ValueError(f"pictures: {images.dtype} {list(images.shape)}; expected uint8 [N, H, W, 1 or 3]")
    if images.shape[1] != images.shape[2] or not len(images):
        raise ValueError(
            f"pictures: {len(images)} of {images.shape[2]}×{images.shape[1]}; the color encoder needs square ones"
        )
    return resize(with_channels(images, 3), SIDE, SIDE)
