"""What a run has learned so far: its policy with the averaged weights, and the engine it paints on."""

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
from spiral.datasets import Dataset, load
from spiral.datasets.splits import Split
from spiral.engines import Engine, create
from spiral.engines.programs import Program
from spiral.models import CONFIG, POLICY, read_card
from spiral.policy import Policy, build_policy
from spiral.policy.rollouts import paint
from spiral.policy.weights import load_weights, parse_weights
from spiral.runs.checkpoints import read_latest
from spiral.runs.directory import Run
from spiral.values.area_average import area_average


@dataclass(frozen=True, slots=True)
class Trained:
    """A policy and its engine, ready to paint."""

    config: RunConfig
    engine: Engine
    policy: Policy
    frames: int
    """Learned so far."""
    frames_before: int = 0
    """Those of the model with which the run began."""
    temperature: float = 1.0
    """Of the draws: 1 is what it learned, 0 takes the likeliest action each time."""

    def paint(
        self, num: int, seed: int, targets: NDArray[np.uint8] | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Paint ``num`` pictures: canvases uint8 ``[num, H, W, C]`` and actions int32 ``[num, T, K]``.

        The same seed draws the same random numbers, whatever the weights. ValueError for targets of another shape or
        dtype than the view's uint8 ``[num, H, W, C]``, for none where the policy needs them, and the other way round.
        """
        self._check(num, targets)
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

    def _check(self, num: int, targets: NDArray[np.uint8] | None) -> None:
        if targets is not None and not self.config.conditional:
            raise ValueError("targets: there are some, but this policy paints from nothing and takes none")
        if targets is None and self.config.conditional:
            raise ValueError("targets: there are none, but this policy paints after targets and needs them")
        shape = (num, *self.engine.observation_shape)
        if targets is not None and (targets.shape != shape or targets.dtype != np.uint8):
            raise ValueError(f"targets: {targets.dtype} {list(targets.shape)}; expected uint8 {list(shape)}")

    def program(self, actions: NDArray[np.int32]) -> Program:
        """The program of one picture, from its actions ``[T, K]``; its canvas has the engine's seed 0."""
        engine = self.config.engine
        return Program(engine.name, engine.settings, actions, engine_version=self.engine.version)

    def view(self, canvases: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """What the agent and the discriminator see of canvases: uint8 ``[N, H, W, C]``, the exact area average."""
        return area_average(canvases, self.engine.canvas_shape[0] // self.engine.observation_shape[0])

    def data(self, split: Split = "test") -> Dataset:
        """The run's data set in the view's size, with ``split``; ValueError if it is not on this machine.

        `train` is what the run learns from, but for a run that learns from the validation pictures when they are asked
        for: then it is the rest.
        """
        return self._data(self.engine.observation_shape, split)

    def canvas_data(self, split: Split = "test") -> Dataset:
        """The same in the canvas's size."""
        return self._data(self.engine.canvas_shape, split)

    def _data(self, shape: tuple[int, int, int], split: Split) -> Dataset:
        height, width, channels = shape
        held_out = self.config.hold_out_validation or split == "validation"
        return load(self.config.data, (height, width), colour=channels == 3, hold_out_validation=held_out)

    def before(self, data: str) -> Trained:
        """The same, before pictures of another set than it learned from: its targets, and what it is compared with."""
        return replace(self, config=self.config.model_copy(update={"data": data, "hold_out_validation": True}))

    def with_snapshot(self, path: Path) -> Trained:
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


def load_trained(run: Run) -> Trained:
    """Load a run's newest checkpoint; ValueError if there is none yet."""
    config = run.config()
    checkpoint = read_latest(run.checkpoints("learner"))
    if checkpoint is None:
        raise ValueError(f'run: "{run.name}" has no checkpoint yet; train it with: spiral train --run {run.name}')
    engine = create(config.engine.name, config.engine.settings)
    policy = make_policy(config, engine)
    load_weights(policy, checkpoint.state.tensors["average"])
    counters = checkpoint.state.counters
    return Trained(config, engine, policy, int(counters["frames"]), int(counters.get("frames_before", 0)))


def load_model(folder: Path) -> Trained:
    """Load a model's folder; ValueError if it is damaged or of another network."""
    config = load_config(str(folder / CONFIG), base=folder)
    try:
        weights = parse_weights((folder / POLICY).read_bytes())
    except OSError as error:
        raise ValueError(f"model: {folder / POLICY} can't be read: {error.strerror}") from error
    engine = create(config.engine.name, config.engine.settings)
    policy = make_policy(config, engine)
    load_weights(policy, weights, str(folder))
    return Trained(config, engine, policy, read_card(folder).frames)


def targets_for(trained: Trained, num: int, seed: int, split: Split = "test") -> NDArray[np.uint8] | None:
    """Pictures of a split for a conditional run to reproduce, uint8 ``[num, H, W, C]``; None for any other run."""
    if not trained.config.conditional:
        return None
    pictures, _ = trained.data(split).split(split)
    return pictures[target_rows(len(pictures), num, seed)]


def target_rows(count: int, num: int, seed: int) -> NDArray[np.int64]:
    """Which ``num`` of ``count`` pictures are the targets: ``[num]``, drawn with repetition."""
    return np.random.default_rng(seed).integers(count, size=num)


def make_policy(config: RunConfig, engine: Engine) -> Policy:
    """The run's network, not yet trained, for painting only."""
    policy = build_policy(config.policy, engine.spec, engine.observation_shape, config.num_actions, config.conditional)
    return policy.eval().requires_grad_(False)
