"""Weights as bytes: a safetensors file of a policy's state, float32."""

from __future__ import annotations

from collections.abc import Mapping

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from spiral.policy.interface import Policy


def dump_weights(state: Mapping[str, Tensor]) -> bytes:
    """Serialise a state dict."""
    return save({name: tensor.detach().float().cpu().contiguous() for name, tensor in state.items()})


def parse_weights(data: bytes) -> dict[str, Tensor]:
    """Read what :func:`dump_weights` made; ValueError where it is something else."""
    try:
        return load(data)
    except SafetensorError as error:
        raise ValueError(f"weights: not a safetensors file: {error}") from error


def load_weights(policy: Policy, state: Mapping[str, Tensor], what: str = "weights") -> None:
    """Fill ``policy``; ValueError, naming the tensor, where ``state`` is of another network or engine."""
    expected = {name: tuple(t.shape) for name, t in policy.state_dict().items()}
    found = {name: tuple(t.shape) for name, t in state.items()}
    if found != expected:
        name = min(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise ValueError(
            f'{what}: "{name}" has shape {found.get(name)}, this policy needs {expected.get(name)}; '
            "they are of another network or engine"
        )
    policy.load_state_dict(dict(state))
