"""The paper's network, as in the published agent (Ganin et al. 2018, figures 12 and 13).

Color, six brush sizes, 64×64 view, 32×32 grid: 1,613,329 parameters.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spiral.policy.autoregressive import Policy, State
from spiral.policy.inputs import Inputs
from spiral.policy.sight import Sight
from spiral.values.actions import ActionSpec, Component

CHANNELS = 32
"""Channels of every convolution in the published network."""
EMBEDDING = 16
"""Length of the embedding of one component's value."""
FEATURES = 256
"""Length of the core's output and of each z."""
RESIDUAL_BLOCKS = 8
DECODER_SIDE = 4
"""Side of the map that a place is decoded from: 256 features are 4 × 4 × 16."""


class PaperPolicy(Policy):
    """Convolutions, eight residual blocks, an LSTM, and a decoder for each component."""

    ramps: Tensor

    def __init__(
        self,
        spec: ActionSpec,
        observation_shape: tuple[int, int, int],
        num_actions: int,
        *,
        noise: int,
        conditional: bool,
    ) -> None:
        super().__init__(spec, num_actions, noise, conditional)
        height, width, channels = observation_shape
        depth = _halvings("the view's height", height, 8)
        if height != width:
            raise ValueError(f"policy.network: paper needs a square view, this one is {height}×{width}")
        pictures = channels * (2 if conditional else 1)
        self.stem = nn.Conv2d(pictures + 2, CHANNELS, 5, padding=2)
        self.action_in = nn.ModuleList(nn.Linear(2 if c.kind == "grid" else c.size, EMBEDDING) for c in spec.components)
        self.action_mlp = _mlp(EMBEDDING * len(spec), 64, CHANNELS, CHANNELS)
        self.noise_mlp = _mlp(noise, 64, CHANNELS, CHANNELS) if noise else None
        self.encoder = nn.Sequential(
            *(m for _ in range(depth) for m in (nn.Conv2d(CHANNELS, CHANNELS, 4, 2, 1), nn.ReLU())),
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
            *(ResidualBlock() for _ in range(RESIDUAL_BLOCKS)),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(CHANNELS * 8 * 8, FEATURES),
        )
        # One bias for all gates, as in Sonnet; PyTorch's own cell has two.
        self.lstm = nn.Linear(2 * FEATURES, 4 * FEATURES)
        self.value = nn.Linear(FEATURES, 1)
        self.heads = nn.ModuleList(
            PlaceDecoder(c.side) if c.kind == "grid" else nn.Linear(FEATURES, c.size) for c in spec.components
        )
        self.chosen_in = nn.ModuleList(nn.Linear(2 if c.kind == "grid" else c.size, EMBEDDING) for c in spec.components)
        self.chosen_mlp = nn.ModuleList(
            _mlp(FEATURES + EMBEDDING, EMBEDDING, CHANNELS, FEATURES) for _ in spec.components
        )
        ramp = torch.linspace(-1, 1, height)
        ramps = torch.stack([ramp.expand(height, width), ramp.unsqueeze(1).expand(height, width)])
        self.register_buffer("ramps", ramps, persistent=False)
        self.apply(_initialise)

    def initial_state(self, batch: int) -> State:
        zeros = torch.zeros(batch, FEATURES, dtype=self.dtype, device=self.counts.device)
        return zeros, zeros

    def see(self, pictures: Tensor) -> Tensor:
        """Scale to 0 … 1, channels first: uint8 ``[…, H, W, C]`` → ``[…, C, H, W]`` of the weights' type."""
        return pictures.movedim(-1, -3).to(self.dtype) / 255

    def core(self, inputs: Inputs, state: State) -> tuple[Tensor, Tensor, State]:
        T, B = inputs.seen.shape[:2]
        encoded: Tensor = self.encoder((self._stem(inputs) + self._condition(inputs)).relu())
        outputs = []
        for features in encoded.view(T, B, FEATURES):
            output, memory = self._lstm_step(features, state)
            state = (output, memory)
            outputs.append(output)
        z = torch.stack(outputs)
        return z, self.value(z).squeeze(-1), state

    def logits(self, k: int, features: Tensor, sight: Sight | None) -> Tensor:
        del sight
        logits: Tensor = self.heads[k](features)
        return logits

    def advance(self, k: int, features: Tensor, chosen: Tensor, sight: Sight | None) -> Tensor:
        del sight
        embedded = self.chosen_in[k](_encode(self.spec.components[k], chosen, self.dtype))
        advanced: Tensor = features + self.chosen_mlp[k](torch.cat([features, embedded], -1))
        return advanced.relu()

    def _stem(self, inputs: Inputs) -> Tensor:
        """Picture, target and coordinate ramps → ``[T · B, 32, H, W]``, before the activation."""
        T, B, _, H, W = inputs.seen.shape
        pixels = inputs.seen
        if inputs.target is not None:
            pixels = torch.cat([pixels, inputs.target.expand_as(pixels)], 2)
        pixels = pixels.flatten(0, 1)
        stem: Tensor = self.stem(torch.cat([pixels, self.ramps.expand(T * B, 2, H, W)], 1))
        return stem

    def _condition(self, inputs: Inputs) -> Tensor:
        """Previous action and noise → ``[T · B, 32, 1, 1]``, added to every place of the stem."""
        previous = inputs.previous_action
        T, B, K = previous.shape
        # Before the first action no component counts, so the whole embedding is masked.
        mask = self.mask(previous.reshape(T * B, K)) * (inputs.steps > 0).expand(T, B).reshape(T * B, 1)
        embedded = [
            self.action_in[k](_encode(component, previous[..., k].reshape(T * B), self.dtype)) * mask[:, k : k + 1]
            for k, component in enumerate(self.spec.components)
        ]
        condition: Tensor = self.action_mlp(torch.cat(embedded, -1))
        if self.noise_mlp is not None and inputs.noise is not None:
            noise: Tensor = self.noise_mlp(inputs.noise.to(self.dtype))
            condition = condition + noise.repeat(T, 1)
        return condition.view(T * B, CHANNELS, 1, 1)

    def _lstm_step(self, features: Tensor, state: State) -> tuple[Tensor, Tensor]:
        hidden, memory = state
        gate_in, candidate, gate_forget, gate_out = self.lstm(torch.cat([features, hidden], -1)).chunk(4, -1)
        # The forget gate starts open (bias 1), so that gradients reach the first strokes.
        memory = (gate_forget + 1).sigmoid() * memory + gate_in.sigmoid() * candidate.tanh()
        return gate_out.sigmoid() * memory.tanh(), memory


class ResidualBlock(nn.Module):
    """ReLU → 3×3 → ReLU → 1×1 → add."""

    def __init__(self) -> None:
        super().__init__()
        self.wide = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        self.narrow = nn.Conv2d(CHANNELS, CHANNELS, 1)

    def forward(self, x: Tensor) -> Tensor:
        """``[N, 32, H, W]`` → the same shape."""
        residual: Tensor = self.narrow(self.wide(x.relu()).relu())
        return x + residual


class PlaceDecoder(nn.Module):
    """256 features → a 4×4 map → logits of ``side``² places, row by row (docs/method.md, 5)."""

    def __init__(self, side: int) -> None:
        super().__init__()
        depth = _halvings("engine.settings.grid", side, DECODER_SIDE)
        self.layers = nn.Sequential(
            nn.Unflatten(-1, (FEATURES // DECODER_SIDE**2, DECODER_SIDE, DECODER_SIDE)),
            nn.Conv2d(FEATURES // DECODER_SIDE**2, CHANNELS, 3, padding=1),
            *(ResidualBlock() for _ in range(RESIDUAL_BLOCKS)),
            nn.ReLU(),
            *(m for _ in range(depth) for m in (nn.ConvTranspose2d(CHANNELS, CHANNELS, 4, 2, 1), nn.ReLU())),
            nn.Conv2d(CHANNELS, 1, 3, padding=1),
            nn.Flatten(),
        )

    def forward(self, features: Tensor) -> Tensor:
        """``[N, 256]`` → ``[N, side²]``."""
        logits: Tensor = self.layers(features)
        return logits


def _encode(component: Component, value: Tensor, dtype: torch.dtype) -> Tensor:
    """Values ``[N]`` → (y, x) in −1 … 1 for a place, one-hot for a choice; ``[N, 2 or size]`` of ``dtype``."""
    if component.kind == "choice":
        return F.one_hot(value, component.size).to(dtype)
    place = torch.stack([value // component.side, value % component.side], -1)
    return place.to(dtype) * (2 / (component.side - 1)) - 1


def _mlp(*sizes: int) -> nn.Sequential:
    """Linear layers with ReLU between them and none after the last."""
    layers: list[nn.Module] = []
    for i, (before, after) in enumerate(pairwise(sizes)):
        layers += [nn.ReLU()] * (i > 0) + [nn.Linear(before, after)]
    return nn.Sequential(*layers)


def _halvings(what: str, size: int, smallest: int) -> int:
    """How often ``size`` can be halved down to ``smallest``; ValueError unless it fits exactly."""
    depth = size.bit_length() - smallest.bit_length()
    if depth < 0 or smallest << depth != size:
        raise ValueError(f"{what}: {size}; policy.network: paper needs {smallest} times a power of two")
    return depth


def _initialise(module: nn.Module) -> None:
    """Truncated normal with σ = 1/√fan-in, biases 0, as Sonnet does."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        # A transposed convolution keeps its input channels in front.
        fan_in = module.weight[0].numel() if not isinstance(module, nn.ConvTranspose2d) else module.weight[:, 0].numel()
        std = 1 / math.sqrt(fan_in)
        nn.init.trunc_normal_(module.weight, std=std, a=-2 * std, b=2 * std)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
