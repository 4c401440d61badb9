"""A network for CPUs: the view is averaged to a few pixels; then two layers, and one layer for each component.

About 0.7 M parameters on a 16×16 grid, with a glimpse twice as many.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from spiral.policy.autoregressive import Policy, State
from spiral.policy.finer_places import refine, refine_offsets, shyness
from spiral.policy.glimpse import Glimpse
from spiral.policy.inputs import Inputs
from spiral.policy.sight import Sight, around
from spiral.policy.wider_network import widen
from spiral.values.actions import ActionSpec
from spiral.values.strokes import looked_from

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
    "glimpse.view": (0,),
    "glimpse.heads": (1,),
    "glimpse.chosen": (1,),
}
"""The axes of each layer's weights whose length is the network's width."""


class SmallPolicy(Policy):
    """Pooled view, embeddings of pen, step and last flag, and a glimpse around the pen → two layers → autoregressive
    heads, each of which may see the patches around the places chosen before."""

    def __init__(
        self,
        spec: ActionSpec,
        observation_shape: tuple[int, int, int],
        num_actions: int,
        *,
        width: int,
        pooled_size: int,
        patch: int,
        glimpse: int,
        noise: int,
        conditional: bool,
    ) -> None:
        super().__init__(spec, num_actions, noise, conditional)
        height, wide, channels = observation_shape
        self.pooled = (math.gcd(height, pooled_size), math.gcd(wide, pooled_size))
        self.pool = (height // self.pooled[0], wide // self.pooled[1])
        pixels = self.pooled[0] * self.pooled[1] * channels
        self.view = nn.Linear(pixels * (2 if conditional else 1), width)
        pen = looked_from(spec) if patch or glimpse else None
        # Of the last action: whether it painted, and where the pen is now.
        self.remembered = sorted({*spec.always_counted()} | ({pen} if pen is not None else set()))
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
        self.glimpse: Glimpse | None = None
        if patch or glimpse:
            if pen is None:
                raise ValueError(
                    "policy.patch and policy.glimpse: this engine's actions have no place; expected 0 for both"
                )
            self.pen = pen
        if patch:
            self._make_looks(width, observation_shape)
        if glimpse:
            self.glimpse = Glimpse(spec, self.pen, observation_shape, glimpse, 2 if conditional else 1, width)
        # How many numbers of the input are the view itself; the averaged view follows.
        self.fine = height * wide * channels if patch or glimpse else 0
        for module in [*self.previous, self.step, *self.chosen]:
            nn.init.normal_(module.weight, std=1 / math.sqrt(width))

    def _make_looks(self, width: int, picture: tuple[int, int, int]) -> None:
        """Make layers for the patches around the pen and around each chosen place, read by all later components."""
        size = self.patch**2 * picture[2] * (2 if self.conditional else 1)
        places = 1
        for k, component in enumerate(self.spec.components):
            if component.kind == "grid":
                # Not among the weights: it follows from the lattice and the view.
                self.register_buffer(f"around_{k}", around(component, picture, self.patch), persistent=False)
                places += 1
            if k + 1 < len(self.spec):
                look = nn.Linear(places * size, width, bias=False)
                nn.init.zeros_(look.weight)
                self.looks.append(look)

    def sight(self, inputs: Inputs, T: int) -> Sight | None:
        if not self.fine:
            return None
        sight = Sight(inputs, T, self.pen)
        if self.patch:
            sight.look(sight.pens, self.get_buffer(f"around_{self.pen}"))
        return sight

    def for_this_run(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Adapt weights: new steps begin as copies of the last known one and finer places between their neighbors. New
        units, and a new glimpse or patch, have no effect at first."""
        fitting = dict(state)
        known = state.get("step.weight")
        if known is not None and known.dim() == 2 and len(known):
            more = known[-1:].repeat(max(0, self.num_actions - len(known)), 1)
            fitting["step.weight"] = torch.cat([known, more])[: self.num_actions]
        for k, component in enumerate(self.spec.components):
            if component.kind == "grid":
                self._refine(fitting, k, component.side)
        own = self.state_dict()
        for part in ("looks.", "glimpse."):
            if not any(name.startswith(part) for name in fitting):
                fitting |= {name: torch.zeros_like(fresh) for name, fresh in own.items() if name.startswith(part)}
        return {name: self._widen(name, weights, own.get(name)) for name, weights in fitting.items()}

    def _widen(self, name: str, known: Tensor, fresh: Tensor | None) -> Tensor:
        """Adapt the weights of that name to this network's width."""
        if fresh is None:
            return known
        layer = name.rpartition(".")[0]
        kind = ".".join(part for part in layer.split(".") if not part.isdigit())
        return widen(known, fresh, WIDTH[kind], isinstance(self.get_submodule(layer), nn.Linear))

    def _refine(self, state: dict[str, Tensor], k: int, side: int) -> None:
        """Adapt all weights that belong to the places of component ``k`` to a lattice of ``side``."""
        names = [f"heads.{k}.weight", f"heads.{k}.bias", f"chosen.{k}.weight"]
        before = math.isqrt(state.get(f"heads.{k}.bias", torch.empty(0)).numel())
        for name in (f"glimpse.{name}" for name in names):
            rows = state.get(name)
            if rows is not None and rows.dim() and 0 < before < side:
                state[name] = refine_offsets(rows, before, side)
        if k in self.remembered:
            names.append(f"previous.{self.remembered.index(k)}.weight")
        for name in names:
            rows = state.get(name)
            if rows is not None and rows.dim():
                state[name] = refine(rows, side)
                if name.endswith("bias") and len(rows) < len(state[name]):
                    state[name] = state[name] - shyness(math.isqrt(len(rows)), side)

    def see(self, pictures: Tensor) -> Tensor:
        """Ink in 0 … 1 (white is 0, so a blank page adds nothing): ``[…, pixels]`` of the weights' type.

        The full view comes first if patches or a glimpse need it, then the view averaged to a few pixels.
        """
        few = self._few(pictures)
        return torch.cat([1 - pictures.flatten(-3) / self._scalar(255), few], -1) if self.fine else few

    def _few(self, pictures: Tensor) -> Tensor:
        leading, (height, width) = pictures.shape[:-3], self.pooled
        down, across = self.pool
        # Sums of integers, row by row: seven times as fast here as avg_pool2d, which rereads each window.
        rows = pictures.reshape(*leading, height, down, -1)
        sums = sum((rows[..., i, :].int() for i in range(1, down)), rows[..., 0, :].int())
        columns = sums.reshape(*leading, height, width, across, -1)
        sums = sum((columns[..., i, :] for i in range(1, across)), columns[..., 0, :])
        return 1 - sums.reshape(*leading, -1) / self._scalar(255 * down * across)

    def _scalar(self, value: float) -> Tensor:
        """A divisor that also converts integers to the weights' type in the same pass."""
        return torch.tensor(value, dtype=self.dtype)

    def core(self, inputs: Inputs, state: State) -> tuple[Tensor, Tensor, State]:
        pixels = inputs.seen[..., self.fine :]
        if inputs.target is not None:
            pixels = torch.cat([pixels, inputs.target[..., self.fine :].expand_as(pixels)], -1)
        features = self.view(pixels)
        for k, embedding in zip(self.remembered, self.previous, strict=True):
            features = features + embedding(inputs.previous_action[..., k])
        features = features + self.step(inputs.steps)
        if self.noise_in is not None and inputs.noise is not None:
            features = features + self.noise_in(inputs.noise.to(self.dtype))
        if self.glimpse is not None:
            features = features + self.glimpse.see(Sight(inputs, len(inputs.seen), self.pen)).view_as(features)
        features = features.relu()
        features = features + self.residual(features).relu()
        return features, self.value(features).squeeze(-1), state

    def logits(self, k: int, features: Tensor, sight: Sight | None) -> Tensor:
        logits: Tensor = self.heads[k](features)
        if self.glimpse is not None and sight is not None and self.spec.components[k].kind == "grid":
            logits = logits + self.glimpse.logits(k, features, sight.pens)
        return logits

    def advance(self, k: int, features: Tensor, chosen: Tensor, sight: Sight | None) -> Tensor:
        advanced: Tensor = self.steps[k](features) + self.chosen[k](chosen)
        place = self.spec.components[k].kind == "grid"
        if place and self.glimpse is not None and sight is not None:
            advanced = advanced + self.glimpse.embed(k, chosen, sight.pens)
        if self.patch and sight is not None:
            if place:
                sight.look(chosen, self.get_buffer(f"around_{k}"))
            advanced = advanced + self.looks[k](sight.patches)
        return advanced.relu()
