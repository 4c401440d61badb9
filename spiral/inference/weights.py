"""Weights of a policy as NumPy arrays, from the safetensors files that training writes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

Weights = dict[str, NDArray[np.float32]]


def parse_weights(data: bytes, what: str = "weights") -> Weights:
    """Read a safetensors file's bytes as float32; ValueError if it is something else."""
    try:
        return {name: values.astype(np.float32, copy=False) for name, values in load(data).items()}
    except (SafetensorError, KeyError) as error:  # KeyError: a type that NumPy does not have
        raise ValueError(f"{what}: not a safetensors file of weights: {error}") from error


def check_weights(weights: Weights, expected: Mapping[str, tuple[int, ...]], what: str = "weights") -> None:
    """Raises ValueError, naming the tensor, if ``weights`` are not finite or their shapes differ from ``expected``."""
    found = {name: values.shape for name, values in weights.items()}
    if found != expected:
        name = min(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise ValueError(
            f'{what}: "{name}" has shape {found.get(name)}, this policy needs {expected.get(name)}; '
            "the weights are of another network or engine"
        )
    for name, values in weights.items():
        if not np.isfinite(values).all():
            raise ValueError(f'{what}: "{name}" holds values that are not finite')
