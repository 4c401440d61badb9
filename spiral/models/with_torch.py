"""Runs and models with their policy in torch: to evaluate them, to go on from them, and for networks of any kind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from spiral.computing.machine import usable_cores, usable_threads
from spiral.configuration.files import load_config
from spiral.configuration.schema import RunConfig
from spiral.engines import Engine, create
from spiral.models import CONFIG, read_card, read_policy
from spiral.models.trained import Trained, nothing_learned
from spiral.policy import Policy, build_policy
from spiral.policy.rollouts import paint
from spiral.policy.weights import load_weights, parse_weights
from spiral.runs.checkpoints import read_latest
from spiral.runs.directory import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchTrained(Trained):
    """Paints with a policy in torch, on the device that it is on."""

    policy: Policy

    def _paint(
        self, num: int, seed: int, targets: NDArray[np.uint8] | None
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        generator = torch.Generator().manual_seed(seed)
        with _torch_threads(1 if self.config.policy.network == "small" else usable_cores()):
            return paint(
                self.policy,
                self.engine,
                num,
                generator,
                targets,
                threads=usable_threads(),
                temperature=self.temperature,
            )

    def with_snapshot(self, path: Path) -> TorchTrained:
        """The same with the weights of a snapshot file; ValueError if it is of another network."""
        policy = make_policy(self.config, self.engine)
        load_weights(policy, parse_weights(path.read_bytes()), path.name)
        return replace(self, policy=policy)


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    """Use so many threads. A small network gains nothing from a second one, and where other processes keep the cores
    busy its threads wait for each other five times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def load(found: Run | Path, device: torch.device, temperature: float = 1.0) -> TorchTrained:
    """A run's newest checkpoint, or the model in a folder, with its policy on ``device``."""
    trained = load_model(found) if isinstance(found, Path) else load_trained(found)
    trained.policy.to(device)
    return replace(trained, temperature=temperature)


def load_trained(run: Run) -> TorchTrained:
    """Load a run's newest checkpoint; ValueError if there is none yet."""
    config = run.config()
    checkpoint = read_latest(run.checkpoints("learner"))
    if checkpoint is None:
        raise nothing_learned(run)
    engine = create(config.engine.name, config.engine.settings)
    policy = make_policy(config, engine)
    load_weights(policy, checkpoint.state.tensors["average"])
    counters = checkpoint.state.counters
    return TorchTrained(
        config=config,
        engine=engine,
        policy=policy,
        frames=int(counters["frames"]),
        frames_before=int(counters.get("frames_before", 0)),
    )


def load_model(folder: Path) -> TorchTrained:
    """Load a model's folder; ValueError if it is damaged or of another network."""
    config = load_config(str(folder / CONFIG), base=folder)
    weights = parse_weights(read_policy(folder))
    engine = create(config.engine.name, config.engine.settings)
    policy = make_policy(config, engine)
    load_weights(policy, weights, str(folder))
    return TorchTrained(config=config, engine=engine, policy=policy, frames=read_card(folder).frames)


def make_policy(config: RunConfig, engine: Engine) -> Policy:
    """The run's network, not yet trained, for painting only."""
    policy = build_policy(config.policy, engine.spec, engine.observation_shape, config.num_actions, config.conditional)
    return policy.eval().requires_grad_(False)
