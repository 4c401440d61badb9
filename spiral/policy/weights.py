"""Weights as bytes: a safetensors file of a policy's state."""

from __future__ import annotations

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from spiral.policy.interface import Policy


def dump_weights(state: dict[str, Tensor]) -> bytes:
    """Serialise a state dict, float32."""
    return save({name: tensor.detach().float().cpu().contiguous() for name, tensor in state.items()})


def load_weights(policy: Policy, data: bytes) -> None:
    """Fill ``policy`` from bytes; ValueError with a sentence where they are of another network."""
    try:
        state = load(data)
    except SafetensorError as error:
        raise ValueError(f"weights: not a safetensors file: {error}") from error
    expected = {name: tuple(t.shape) for name, t in policy.state_dict().items()}
    found = {name: tuple(t.shape) for name, t in state.items()}
    if found != expected:
        name = min(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        raise ValueError(
            f'weights: "{name}" has shape {found.get(name)}, this policy needs {expected.get(name)}; '
            "they are of another network or engine"
        )
    policy.load_state_dict(state)
