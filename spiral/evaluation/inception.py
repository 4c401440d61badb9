"""The Fréchet inception distance that papers report, by torch-fidelity (extra `fid`), which contains the network.

torch-fidelity downloads its weights, 91 MB, at the first use, or they are given as a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.error import URLError

import numpy as np
import torch
from numpy.typing import NDArray

from spiral.datasets.views import with_channels
from spiral.evaluation.bootstrap import estimate_by, weights_of
from spiral.evaluation.frechet import Gaussian, frechet_distance, gaussian_of, weighted_gaussian
from spiral.evaluation.report import Figure
from spiral.extras import to_install

FEATURES = 2048
FEWEST = FEATURES + 1
# The layer of 2,048 averages that the distance is defined on (Heusel et al. 2017), by torch-fidelity's name.
_LAYER = "2048"
_NETWORK = "inception-v3-compat"
# Each resample costs a decomposition of 2,048 × 2,048, seconds on one core; this many fix the ends to about a fifth.
_RESAMPLES = 40
# More real pictures would only cost time.
_MOST_REAL = 10_000
# 299×299 activations of 32 pictures take 200 MB.
_BATCH = 32


@dataclass(frozen=True, slots=True, eq=False)
class Inception:
    """The Inception network in front of a Fréchet distance."""

    network: torch.nn.Module
    device: torch.device

    @staticmethod
    def load(device: torch.device, weights: Path | None = None) -> Inception:
        """Load the network from a file, or without one from where torch-fidelity downloads it.

        Raises ValueError with a sentence if torch-fidelity is not installed or the weights can't be had.
        """
        try:
            from torch_fidelity import FeatureExtractorInceptionV3  # noqa: PLC0415  (an optional extra)
        except ModuleNotFoundError as error:
            raise ValueError(
                f"--inception: it is measured by a package that is not here ({error.name}): {to_install('fid')}"
            ) from error
        except (ImportError, RuntimeError) as error:  # above all a torchvision of another build of torch
            raise ValueError(
                f"--inception: torch-fidelity is installed but can't be loaded: {_first_line(error)}"
            ) from error
        if weights is not None and not weights.is_file():
            raise ValueError(f"--inception-weights: there is no file {weights}")
        path = None if weights is None else str(weights)
        try:
            network = FeatureExtractorInceptionV3(_NETWORK, [_LAYER], feature_extractor_weights_path=path)
        except (URLError, TimeoutError, ConnectionError) as error:
            raise ValueError(
                f"--inception: the weights of the Inception network can't be downloaded ({_first_line(error)}); "
                "get the file elsewhere and name it with --inception-weights FILE"
            ) from error
        except Exception as error:  # a damaged file fails in pickle, zip or torch, which have no common base class
            what = weights or "what was downloaded"
            raise ValueError(
                f"--inception-weights: {what} is not the Inception network's weights ({_first_line(error)})"
            ) from error
        return Inception(network.to(device), device)

    @staticmethod
    def check(painted: int, real: int) -> None:
        """Raise ValueError if paintings or real pictures are fewer than the covariance of the features needs."""
        for what, n in (("paintings", painted), ("test pictures in the data set", real)):
            if n < FEWEST:
                raise ValueError(
                    f"--inception: {n:,} {what} are too few for the covariance of {FEATURES:,} features; "
                    f"expected at least {FEWEST:,}"
                )

    def figure(self, painted: NDArray[np.uint8], real: NDArray[np.uint8], seed: int, which: str) -> Figure:
        """The distance of paintings to at most 10,000 real pictures, both uint8 [N, H, W, 1 or 3] of one size.

        ``which`` names the real pictures in the figure's label. Raises ValueError for at most 2,048 pictures of either.
        """
        self.check(len(painted), len(real))
        reference = gaussian_of(self.features(real[:_MOST_REAL]))
        features = self.features(painted)
        found = estimate_by(
            partial(_distance, reference, features), len(painted), weights_of(len(painted), seed, _RESAMPLES), least=0.0
        )
        return Figure("inception_fid", f"Inception FID to {reference.count:,} {which} pictures", found, "lower")

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Run the network over uint8 [N, H, W, 1 or 3], which it enlarges to 299×299: float64 [N, 2048]."""
        found = []
        with torch.inference_mode():
            for start in range(0, len(images), _BATCH):
                some = np.ascontiguousarray(with_channels(images[start : start + _BATCH], 3).transpose(0, 3, 1, 2))
                (features,) = self.network(torch.from_numpy(some).to(self.device))
                found.append(features.double().cpu().numpy())
        return np.concatenate(found)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _distance(reference: Gaussian, features: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    return frechet_distance(weighted_gaussian(features, weights), reference)
