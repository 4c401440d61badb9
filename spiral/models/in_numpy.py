"""Runs and models with their network in NumPy: painting without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spiral.computing.machine import usable_threads
from spiral.configuration.schema import RunConfig
from spiral.engines import Engine, create
from spiral.inference.rollouts import paint
from spiral.inference.small_network import SmallNetwork
from spiral.inference.weights import Weights, parse_weights
from spiral.models import read_card, read_policy
from spiral.models.trained import Trained, nothing_learned
from spiral.runs.checkpoint_reading import read_newest
from spiral.runs.directory import Run
from spiral.runs.manifests import parse_json


@dataclass(frozen=True, slots=True, kw_only=True)
class NumpyTrained(Trained):
    """Paints with a network in NumPy."""

    network: SmallNetwork

    def _paint(
        self, num: int, seed: int, targets: NDArray[np.uint8] | None
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        return paint(
            self.network, self.engine, num, seed, targets, threads=usable_threads(), temperature=self.temperature
        )


def load(found: Run | Path, config: RunConfig) -> NumpyTrained:
    """A run's newest checkpoint, or the model in a folder; ``config``: its configuration."""
    return load_model(found, config) if isinstance(found, Path) else load_trained(found, config)


def load_trained(run: Run, config: RunConfig) -> NumpyTrained:
    """Load a run's newest checkpoint; ValueError if there is none yet."""
    found = read_newest(run.checkpoints("learner"), _parse)
    if found is None:
        raise nothing_learned(run)
    engine = create(config.engine.name, config.engine.settings)
    counters, weights = found.content
    return NumpyTrained(
        config=config,
        engine=engine,
        network=_network(config, engine, weights, "weights"),
        frames=int(counters["frames"]),
        frames_before=int(counters.get("frames_before", 0)),
    )


def load_model(folder: Path, config: RunConfig) -> NumpyTrained:
    """Load a model's folder; ValueError if it is damaged or of another network."""
    engine = create(config.engine.name, config.engine.settings)
    network = _network(config, engine, parse_weights(read_policy(folder)), str(folder))
    return NumpyTrained(config=config, engine=engine, network=network, frames=read_card(folder).frames)


def _network(config: RunConfig, engine: Engine, weights: Weights, what: str) -> SmallNetwork:
    return SmallNetwork(
        config.policy, engine.spec, engine.observation_shape, config.num_actions, config.conditional, weights, what
    )


def _parse(contents: Mapping[str, bytes]) -> tuple[Mapping[str, Any], Weights]:
    """Counters and averaged weights of a learner's checkpoint."""
    return parse_json(contents["counters.json"]), parse_weights(contents["average.safetensors"])
