"""The forward pass of the network ``small`` (spiral/policy/small.py) in NumPy.

The same values in the same order: a test compares the log-probabilities of every bundled model with those of torch.
It computes no state value, which only learning needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spiral.configuration.schema import PolicyConfig
from spiral.inference.places import around, bins, offsets
from spiral.inference.weights import Weights, check_weights
from spiral.values.actions import ActionSpec
from spiral.values.strokes import looked_from

NEVER = np.float32(-1e9)
"""Logit of a value that cannot be chosen."""

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Choose = Callable[[int, Floats, Ints], Ints]
"""``(k, logits [M, size], episodes [M])`` → values ``[M]``."""


@dataclass(slots=True)
class Moment:
    """The observations of ``B`` episodes before one action."""

    seen: Floats
    """The result of :meth:`SmallNetwork.see` on the observations, ``[B, …]``."""
    previous: Ints
    """The previous action, ``[B, K]``; zeros before the first action."""
    step: int
    """Actions executed so far."""
    noise: Floats | None = None
    """``[B, Z]``, one draw per episode."""
    target: Floats | None = None
    """The pictures to reproduce, in the same form, ``[B, …]``."""


class SmallNetwork:
    """Pooled view, embeddings of pen, step and last flag, glimpse → two layers → one head for each component."""

    def __init__(
        self,
        config: PolicyConfig,
        spec: ActionSpec,
        observation_shape: tuple[int, int, int],
        num_actions: int,
        conditional: bool,
        weights: Weights,
        what: str = "weights",
    ) -> None:
        """``weights``: named as in training. ValueError if they belong to another network."""
        self.spec, self.num_actions, self.conditional = spec, num_actions, conditional
        self.noise, self.blind, self._moves = config.noise, config.blind, config.moves
        self._picture = observation_shape
        self._pooled = tuple(math.gcd(side, config.pooled_size) for side in observation_shape[:2])
        self._patch, self._glimpse = config.patch, config.glimpse
        self._looks = bool(config.patch or config.glimpse)
        self._pen = looked_from(spec) if self._looks else None
        if self._looks and self._pen is None:
            raise ValueError("policy.patch, policy.glimpse: this engine's actions have no place; expected 0")
        self._remembered = sorted({*spec.always_counted()} | ({self._pen} if self._pen is not None else set()))
        counts = spec.mask_table()
        # For each flag: whether a component or a later one counts, and where fewer of them do.
        self._needed = np.maximum.accumulate(counts[:, ::-1], 1)[:, ::-1]
        self._narrows = {k for k in range(1, len(spec)) if (self._needed[:, k] != self._needed[:, k - 1]).any()}
        self._moving = ~counts.all(1)
        check_weights(weights, self._shapes(config.width), what)
        self._weights = weights

    def see(self, pictures: NDArray[np.uint8]) -> Floats:
        """Ink in 0 … 1: uint8 ``[B, H, W, C]`` → ``[B, pixels]``; also at full size if the network looks at places."""
        (height, width), (_, _, channels) = self._pooled, self._picture
        B, H, W, _ = pictures.shape
        area = (H // height) * (W // width)
        cells = pictures.reshape(B, height, H // height, width, W // width, channels)
        sums = cells.sum((2, 4), dtype=np.int32).reshape(B, -1)
        few: Floats = (1 - sums / np.float32(255 * area)).astype(np.float32)
        if not self._looks:
            return few
        fine = (1 - pictures.reshape(B, -1) / np.float32(255)).astype(np.float32)
        return np.concatenate([fine, few], 1)

    def decode(self, moment: Moment, choose: Choose) -> Iterator[tuple[Ints, Floats, Ints]]:
        """Run the heads in sampling order, each on the episodes for which its component or a later one counts.

        Yields those episodes ``[M]``, logits ``[M, size]`` and the values chosen ``[M]``.
        """
        episodes = np.arange(len(moment.seen))
        features, patches = self._core(moment, episodes)
        flags = episodes  # overwritten as values are chosen
        for k in range(len(self.spec)):
            logits = self._logits(k, features, moment, episodes)
            if k == 0:
                logits = self._allowed(logits, moment.step)
            chosen = choose(k, logits, episodes)
            if k == 0:
                flags = chosen
            yield episodes, logits, chosen
            if k + 1 == len(self.spec):
                return
            if k + 1 in self._narrows:
                kept = self._needed[flags, k + 1].nonzero()[0]
                features, chosen, flags, episodes = features[kept], chosen[kept], flags[kept], episodes[kept]
                patches = patches[kept]
            features, patches = self._advance(k, features, chosen, patches, moment, episodes)

    def _core(self, moment: Moment, episodes: Ints) -> tuple[Floats, Floats]:
        """Features ``[B, D]``, and the surroundings of the pens for the heads after the first."""
        fine = math.prod(self._picture) if self._looks else 0
        pixels = moment.seen[:, fine:]
        if moment.target is not None:
            pixels = np.concatenate([pixels, moment.target[:, fine:]], 1)
        features = self._linear("view", pixels) + self._weights["step.weight"][moment.step]
        for i, k in enumerate(self._remembered):
            features += self._weights[f"previous.{i}.weight"][moment.previous[:, k]]
        if moment.noise is not None:
            features += self._linear("noise_in", moment.noise)
        if self._glimpse:
            features += self._linear("glimpse.view", self._look(self._pens(moment), self._glimpse, moment, episodes))
        features = _relu(features)
        features = features + _relu(self._linear("residual", features))
        nothing = np.empty((len(episodes), 0), np.float32)
        return features, self._look(self._pens(moment), self._patch, moment, episodes) if self._patch else nothing

    def _logits(self, k: int, features: Floats, moment: Moment, episodes: Ints) -> Floats:
        logits = self._linear(f"heads.{k}", features)
        component = self.spec.components[k]
        if self._glimpse and component.kind == "grid":
            by_offset = self._linear(f"glimpse.heads.{k}", features)
            logits += np.take_along_axis(by_offset, offsets(self._pens(moment)[episodes], component.side), 1)
        return logits

    def _advance(
        self, k: int, features: Floats, chosen: Ints, patches: Floats, moment: Moment, episodes: Ints
    ) -> tuple[Floats, Floats]:
        """Features once component ``k`` is known, and everything looked at so far."""
        advanced = self._linear(f"steps.{k}", features) + self._weights[f"chosen.{k}.weight"][chosen]
        component = self.spec.components[k]
        place = component.kind == "grid"
        if place and self._glimpse:
            of_places = offsets(self._pens(moment)[episodes], component.side)
            advanced += self._weights[f"glimpse.chosen.{k}.weight"][of_places[np.arange(len(chosen)), chosen]]
        if self._patch:
            if place:
                patches = np.concatenate([patches, self._look(chosen, self._patch, moment, episodes, k)], 1)
            advanced += patches @ self._weights[f"looks.{k}.weight"].T
        return _relu(advanced), patches

    def _look(self, places: Ints, size: int, moment: Moment, episodes: Ints, k: int | None = None) -> Floats:
        """``size``² pixels around one place of each of ``episodes`` ``[M]``, the painting's before the target's."""
        at = around(places, self.spec.components[self._pen or 0 if k is None else k], self._picture, size)
        rows = episodes[:, None]
        found = [moment.seen[rows, at]]
        if moment.target is not None:
            found.append(moment.target[rows, at])
        return np.concatenate(found, 1)

    def _pens(self, moment: Moment) -> Ints:
        assert self._pen is not None
        return moment.previous[:, self._pen]

    def _allowed(self, logits: Floats, step: int) -> Floats:
        """Logits of the flag, without the values that ``policy.moves`` forbids."""
        if self._moves == "free" or not self.spec.counts:
            return logits
        if self._moves == "first":
            forbidden = self._moving if step else np.zeros_like(self._moving)
        else:
            forbidden = self._moving if step % 2 else ~self._moving
        return np.where(forbidden, NEVER, logits)

    def _linear(self, name: str, inputs: Floats) -> Floats:
        outputs: Floats = inputs @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return outputs

    def _shapes(self, width: int) -> dict[str, tuple[int, ...]]:
        """Shape of each tensor of this network, by name."""
        spec, C = self.spec, self._picture[2]
        pictures = 2 if self.conditional else 1
        last = len(spec) - 1
        layers = {
            "view": (width, self._pooled[0] * self._pooled[1] * C * pictures),
            "residual": (width, width),
            "value": (1, width),
            **{f"heads.{k}": (size, width) for k, size in enumerate(spec.sizes)},
            **{f"steps.{k}": (width, width) for k in range(last)},
        }
        tables = {
            "step": (self.num_actions, width),
            **{f"previous.{i}": (spec.sizes[k], width) for i, k in enumerate(self._remembered)},
            **{f"chosen.{k}": (size, width) for k, size in enumerate(spec.sizes[:-1])},
        }
        places = [k for k, component in enumerate(spec.components) if component.kind == "grid"]
        if self.noise:
            layers["noise_in"] = (width, self.noise)
        if self._patch:
            each = self._patch**2 * C * pictures
            tables |= {f"looks.{k}": (width, each * (1 + sum(p <= k for p in places))) for k in range(last)}
        if self._glimpse:
            count = (int(bins(spec.components[self._pen or 0].side).max()) + 1) ** 2
            layers["glimpse.view"] = (width, self._glimpse**2 * C * pictures)
            layers |= {f"glimpse.heads.{k}": (count, width) for k in places}
            tables |= {f"glimpse.chosen.{k}": (count, width) for k in places if k < last}
        return {
            **{f"{name}.weight": shape for name, shape in (layers | tables).items()},
            **{f"{name}.bias": shape[:1] for name, shape in layers.items()},
        }


def _relu(values: Floats) -> Floats:
    return np.maximum(values, 0, out=values)
