"""A network for CPUs: the view averaged to a few pixels, two layers, and one layer for each component.

About 0.7 M parameters on a 16×16 grid.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from spiral.actions import ActionSpec
from spiral.policy.interface import Inputs, Policy, State
from spiral.policy.refining import refine, shyness
from spiral.policy.sight import Sight, around
from spiral.policy.widening import widen

WIDTH = {
    "view": (0,),
    "noise_in": (0,),
    "residual": (0, 1),
    "steps": (0, 1),
    "previous": (1,),
    "step": (1,),
    "chosen": (1,),
    "value": (1,),
    "heads": (1,),
    "looks": (0,),
}
"""Axes of each layer's weights that are as long as the network is wide."""


class SmallPolicy(Policy):
    """Pooled view and embeddings of pen, step and last flag → two layers → autoregressive heads, each of which may look
    at what lies about the places chosen before."""

    def __init__(
        self,
        spec: ActionSpec,
        observation_shape: tuple[int, int, int],
        num_actions: int,
        *,
        width: int,
        pooled_size: int,
        patch: int,
        noise: int,
        conditional: bool,
    ) -> None:
        super().__init__(spec, num_actions, noise, conditional)
        height, wide, channels = observation_shape
        self.pooled = (math.gcd(height, pooled_size), math.gcd(wide, pooled_size))
        self.pool = (height // self.pooled[0], wide // self.pooled[1])
        pixels = self.pooled[0] * self.pooled[1] * channels
        self.view = nn.Linear(pixels * (2 if conditional else 1), width)
        # What every action says, whatever its flag, is where the pen is and whether it painted.
        self.remembered = [k for k in range(len(spec)) if all(row[k] for row in spec.mask_table())]
        self.previous = nn.ModuleList(nn.Embedding(spec.sizes[k], width) for k in self.remembered)
        self.step = nn.Embedding(num_actions, width)
        self.noise_in = nn.Linear(noise, width) if noise else None
        self.residual = nn.Linear(width, width)
        self.value = nn.Linear(width, 1)
        self.heads = nn.ModuleList(nn.Linear(width, size) for size in spec.sizes)
        self.steps = nn.ModuleList(nn.Linear(width, width) for _ in pairwise(spec.sizes))
        self.chosen = nn.ModuleList(nn.Embedding(size, width) for size in spec.sizes[:-1])
        self.patch = patch
        self.looks = nn.ModuleList()
        if patch:
            self._make_looks(width, channels)
        for module in [*self.previous, self.step, *self.chosen]:
            nn.init.normal_(module.weight, std=1 / math.sqrt(width))

    def _make_looks(self, width: int, channels: int) -> None:
        """Layers for what is seen about the pen, and about a place once it is chosen, by all that is chosen later."""
        pens = [k for k in self.remembered if self.spec.components[k].kind == "grid"]
        if not pens:
            raise ValueError(f"policy.patch: {self.patch}, but this engine's actions leave the pen nowhere; 0 is right")
        # Interfaces name the place where a stroke ends before any other; the pen is there afterwards.
        self.pen = pens[0]
        size = self.patch**2 * channels * (2 if self.conditional else 1)
        places = 1
        for k, component in enumerate(self.spec.components):
            if component.kind == "grid":
                table = around(component.side, (*self.pooled, channels), self.patch)
                # Not in the weights: it follows from the lattice and the view.
                self.register_buffer(f"around_{k}", table, persistent=False)
                places += 1
            if k + 1 < len(self.spec):
                look = nn.Linear(places * size, width, bias=False)
                nn.init.zeros_(look.weight)
                self.looks.append(look)

    def sight(self, inputs: Inputs, T: int) -> Sight | None:
        if not self.patch:
            return None
        sight = Sight(inputs, T)
        sight.look(inputs.previous_action[:T, :, self.pen].reshape(-1), self.get_buffer(f"around_{self.pen}"))
        return sight

    def for_this_run(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Steps beyond the last that is known begin as that one, finer places between their neighbours; units beyond
        the known ones are not listened to yet, and where it did not look at its places nothing comes of it yet."""
        fitting = dict(state)
        known = state.get("step.weight")
        if known is not None and known.dim() == 2 and len(known):
            more = known[-1:].repeat(max(0, self.num_actions - len(known)), 1)
            fitting["step.weight"] = torch.cat([known, more])[: self.num_actions]
        for k, component in enumerate(self.spec.components):
            if component.kind == "grid":
                self._refine(fitting, k, component.side)
        own = self.state_dict()
        if not any(name.startswith("looks.") for name in fitting):
            fitting |= {name: fresh for name, fresh in own.items() if name.startswith("looks.")}
        return {name: self._widen(name, weights, own.get(name)) for name, weights in fitting.items()}

    def _widen(self, name: str, known: Tensor, fresh: Tensor | None) -> Tensor:
        """Make the weights of that name fit this network's width."""
        if fresh is None:
            return known
        layer = name.rpartition(".")[0]
        return widen(known, fresh, WIDTH[layer.split(".")[0]], isinstance(self.get_submodule(layer), nn.Linear))

    def _refine(self, state: dict[str, Tensor], k: int, side: int) -> None:
        """Make what belongs to the places of component ``k`` fit a lattice of ``side``."""
        names = [f"heads.{k}.weight", f"heads.{k}.bias", f"chosen.{k}.weight"]
        if k in self.remembered:
            names.append(f"previous.{self.remembered.index(k)}.weight")
        for name in names:
            rows = state.get(name)
            if rows is not None and rows.dim():
                state[name] = refine(rows, side)
                if name.endswith("bias") and len(rows) < len(state[name]):
                    state[name] = state[name] - shyness(math.isqrt(len(rows)), side)

    def see(self, pictures: Tensor) -> Tensor:
        """Averaged to few pixels, as ink in 0 … 1 (white is 0, so a blank page is silent): float32 ``[…, pixels]``."""
        leading, (height, width) = pictures.shape[:-3], self.pooled
        down, across = self.pool
        # Sums of whole numbers, row by row: seven times as fast here as avg_pool2d, which reads each window anew.
        rows = pictures.reshape(*leading, height, down, -1)
        sums = sum((rows[..., i, :].int() for i in range(1, down)), rows[..., 0, :].int())
        columns = sums.reshape(*leading, height, width, across, -1)
        sums = sum((columns[..., i, :] for i in range(1, across)), columns[..., 0, :])
        return 1 - sums.reshape(*leading, -1) / (255 * down * across)

    def core(self, inputs: Inputs, state: State) -> tuple[Tensor, Tensor, State]:
        pixels = inputs.seen
        if inputs.target is not None:
            pixels = torch.cat([pixels, inputs.target.expand_as(pixels)], -1)
        features = self.view(pixels)
        for k, embedding in zip(self.remembered, self.previous, strict=True):
            features = features + embedding(inputs.previous_action[..., k])
        features = features + self.step(inputs.steps)
        if self.noise_in is not None and inputs.noise is not None:
            features = features + self.noise_in(inputs.noise)
        features = features.relu()
        features = features + self.residual(features).relu()
        return features, self.value(features).squeeze(-1), state

    def logits(self, k: int, features: Tensor) -> Tensor:
        logits: Tensor = self.heads[k](features)
        return logits

    def advance(self, k: int, features: Tensor, chosen: Tensor, sight: Sight | None) -> Tensor:
        advanced: Tensor = self.steps[k](features) + self.chosen[k](chosen)
        if sight is not None:
            if self.spec.components[k].kind == "grid":
                sight.look(chosen, self.get_buffer(f"around_{k}"))
            advanced = advanced + self.looks[k](sight.patches)
        return advanced.relu()
