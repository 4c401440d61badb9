"""Checkpoints that are never torn: written aside, synced, renamed, and verified when read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class State:
    """What a checkpoint holds: figures that fit JSON, and groups of named tensors on the CPU."""

    counters: dict[str, Any]
    tensors: dict[str, dict[str, Tensor]]


def pack_optimiser(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of each parameter as ``"0.exp_avg"`` and so on, copied to the CPU; settings are the config's matter."""
    state: dict[int, dict[str, Any]] = optimiser.state_dict()["state"]
    return {
        f"{parameter}.{name}": torch.as_tensor(value).detach().cpu().clone()
        for parameter, values in state.items()
        for name, value in values.items()
        if value is not None
    }


def unpack_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put a packed state back into an optimiser over the same parameters.

    Raises ValueError where the parameters' number or shapes differ.
    """
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        position, _, part = name.partition(".")
        index = int(position)
        if index >= len(parameters) or (value.ndim and value.shape != parameters[index].shape):
            raise ValueError(
                f"optimiser: {name} of shape {list(value.shape)} fits none of this optimiser's "
                f"{len(parameters)} parameters"
            )
        state.setdefault(index, {})[part] = value.clone()
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
