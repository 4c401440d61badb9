"""Weights as bytes: a policy's state in the safetensors format."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from spiral.computing.finite import require_finite
from spiral.policy.autoregressive import Policy


def dump_weights(state: Mapping[str, Tensor], dtype: torch.dtype = torch.float32) -> bytes:
    """Serialize a state dict."""
    return save({name: tensor.detach().to("cpu", dtype).contiguous() for name, tensor in state.items()})


def parse_weights(data: bytes) -> dict[str, Tensor]:
    """Read bytes from :func:`dump_weights` as float32; ValueError if they are something else."""
    try:
        return {name: tensor.float() for name, tensor in load(data).items()}
    except SafetensorError as error:
        raise ValueError(f"weights: not a safetensors file: {error}") from error


def load_weights(policy: Policy, state: Mapping[str, Tensor], what: str = "weights") -> None:
    """Fill ``policy``; ValueError, which names the tensor, if ``state`` is not finite or belongs to another network."""
    expected = {name: tuple(t.shape) for name, t in policy.state_dict().items()}
    found = {name: tuple(t.shape) for name, t in state.items()}
    if found != expected:
        name = min(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise ValueError(
            f'{what}: "{name}" has shape {found.get(name)}, this policy needs {expected.get(name)}; '
            "the weights are of another network or engine"
        )
    require_finite(state, what)
    policy.load_state_dict(dict(state))
