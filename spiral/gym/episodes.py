"""Pictures that are painted in lockstep and rewarded at every step; both environments are built from them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from spiral.configuration.schema import EngineConfig
from spiral.datasets import load
from spiral.engines import Canvases, create
from spiral.engines.program_files import MAX_ACTIONS
from spiral.engines.programs import Program
from spiral.gym.rewards import Distance, Reward, Scored
from spiral.gym.spaces import action_space, observation_space
from spiral.values.strokes import pen_of
from spiral.wire.tls import Identity

Observation = dict[str, NDArray[Any]]
Info = dict[str, Any]

ENGINE = EngineConfig().name
"""Default engine, the same as in a run's configuration."""
NUM_ACTIONS = 20
"""Default number of actions of an episode, as in the paper and in a run's configuration."""
DATA = "mnist-sample"
"""Default data set; it ships with the package and needs no network."""


class Episodes:
    """``B`` episodes of ``T`` actions; all begin and end at the same step.

    Returned arrays belong to the caller: the engine paints into new arrays and reuses none.
    """

    def __init__(
        self,
        batch: int,
        *,
        engine: str = ENGINE,
        settings: Mapping[str, Any] | None = None,
        num_actions: int = NUM_ACTIONS,
        data: str | None = DATA,
        discriminator: str | None = None,
        identity: Identity | None = None,
        threads: int = 1,
    ) -> None:
        """``settings`` are the ``engine``'s; ``data`` names the set that targets are drawn from; None: no targets.

        The reward is how much closer a picture comes to its target, or, if ``discriminator`` is a service's address,
        how much its score rises (``identity``: over TLS). ValueError says which argument is wrong.
        """
        if not 1 <= num_actions <= MAX_ACTIONS:
            raise ValueError(f"num_actions: {num_actions} is outside 1…{MAX_ACTIONS}")
        self.num_actions = num_actions
        self._settings = dict(settings or {})
        self._engine = create(engine, self._settings)
        self.spec = self._engine.spec
        self._canvases = self._engine.open(batch, threads)
        self._reward = _reward(discriminator, identity, data, self._canvases, (batch, *self._engine.observation_shape))
        self._pictures = _pictures(data, self._engine.observation_shape)
        self._batch, self._threads = batch, threads
        self._step: int | None = None
        self._actions = np.zeros((num_actions, batch, len(self.spec)), np.int32)
        self._targets: NDArray[np.uint8] | None = None
        self._mask = np.broadcast_to(self.spec.mask_table(), (self.spec.sizes[0], len(self.spec)))
        self._place = pen_of(self.spec)
        grid = 1 if self._place is None else self.spec.components[self._place].side
        self._pens = np.stack(np.divmod(np.arange(grid**2), grid), axis=1).astype(np.float32) / np.float32(grid)
        self._closed = False

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """A copy of the episodes at the same step: the pictures are painted again, pixel for pixel.

        Engine and data are shared, because nothing writes into them; a discriminator gets a second connection.
        """
        twin = copy.copy(self)
        memo[id(self)] = twin
        twin._actions = self._actions.copy()
        if self._closed:
            return twin
        twin._canvases = self._engine.open(self._batch, self._threads)
        twin._canvases.reset(np.zeros(self._batch, np.int64))
        for actions in self._actions[: self._step or 0]:
            twin._canvases.step(actions)
        twin._reward = self._reward.twin(twin._canvases)
        return twin

    def observation_space(self) -> spaces.Dict:
        """Of one episode."""
        return observation_space(self._engine.observation_shape, self.spec, self._pictures is not None)

    def action_space(self) -> spaces.MultiDiscrete[np.int32]:
        """Of one episode."""
        return action_space(self.spec)

    @property
    def ended(self) -> bool:
        """Whether all actions have been executed."""
        return self._step == self.num_actions

    def begin(self, rng: np.random.Generator, options: Mapping[str, Any] | None = None) -> tuple[Observation, Info]:
        """Blank canvases, with targets drawn by ``rng`` or those of the option ``target``, uint8 ``[B, H, W, C]``."""
        self._targets = self._choose_targets(rng, dict(options or {}))
        blank = self._canvases.reset(np.zeros(self._batch, np.int64))
        self._reward.begin(blank, self._targets)
        self._step = 0
        pen = None if self._place is None else np.zeros((self._batch, 2), np.float32)
        return self._observe(blank, pen), {"mask": np.zeros((self._batch, len(self.spec)), np.bool_)}

    def step(self, actions: NDArray[Any]) -> tuple[Observation, NDArray[np.float64], Info]:
        """Execute ``[B, K]``: observations, rewards ``[B]``, and in ``mask`` ``[B, K]`` which components counted.

        ValueError for a wrong shape or a value out of range; then nothing is painted. ResetNeeded if no episode is in
        progress.
        """
        if self._step is None:
            raise ResetNeeded("step: no episode is in progress; call reset() first")
        if self.ended:
            raise ResetNeeded(f"step: the episode has ended after its {self.num_actions} actions; call reset()")
        frames = self._canvases.step(actions)
        taken = self._actions[self._step]
        taken[:] = actions
        self._step += 1
        rewards = self._reward.gain(frames, self.ended)
        pen = None if self._place is None else self._pens[taken[:, self._place]]
        return self._observe(frames, pen), rewards, {"mask": self._mask[taken[:, 0]]}

    def programs(self) -> list[Program]:
        """The programs since the beginning; ValueError if nothing was painted."""
        if not self._step:
            raise ValueError("program: nothing has been painted since reset(); expected at least one step")
        taken = self._actions[: self._step]
        return [Program.of(self._engine, self._settings, taken[:, at]) for at in range(self._batch)]

    def pictures(self) -> NDArray[np.uint8]:
        """The canvases as RGB, ``[B, H, W, 3]``; they may be larger than the observations."""
        canvases = self._canvases.canvas()
        if canvases.shape[3] == 4:
            alpha = canvases[..., 3:].astype(np.uint16)
            on_white = (canvases[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
            return on_white.astype(np.uint8)
        return np.repeat(canvases, 3, axis=3) if canvases.shape[3] == 1 else canvases

    def close(self) -> None:
        """Free canvases and connection; a second call does nothing."""
        self._closed = True
        self._canvases.close()
        self._reward.close()

    def _choose_targets(self, rng: np.random.Generator, options: dict[str, Any]) -> NDArray[np.uint8] | None:
        given = options.pop("target", None)
        if options:
            raise ValueError(f'options: "{next(iter(options))}" is unknown; there is only "target"')
        if self._pictures is None:
            if given is not None:
                raise ValueError("options: a target is given, but there are none without data; name a data set")
            return None
        if given is None:
            return self._pictures[rng.integers(len(self._pictures), size=self._batch)]
        targets, right = np.array(given), (self._batch, *self._engine.observation_shape)
        if targets.dtype != np.uint8 or targets.shape != right:
            raise ValueError(f"options: target is {targets.dtype} {list(targets.shape)}; expected uint8 {list(right)}")
        return targets

    def _observe(self, frames: NDArray[np.uint8], pen: NDArray[np.float32] | None) -> Observation:
        seen: Observation = {"canvas": frames}
        if self._targets is not None:
            seen["target"] = self._targets.copy()  # the caller may write into it
        assert self._step is not None
        if pen is not None:
            seen["pen"] = pen
        seen["time"] = np.full((self._batch, 1), self._step / self.num_actions, np.float32)
        return seen


def _pictures(data: str | None, shape: tuple[int, int, int]) -> NDArray[np.uint8] | None:
    if data is None:
        return None
    height, width, channels = shape
    if channels == 4:
        raise ValueError(f'data: pictures of "{data}" have no alpha; leave the setting alpha out, or data=None')
    return load(data, (height, width), colour=channels == 3).train


def _reward(
    discriminator: str | None,
    identity: Identity | None,
    data: str | None,
    canvases: Canvases,
    shape: tuple[int, int, int, int],
) -> Reward:
    if discriminator is not None:
        return Scored(discriminator, identity, shape)
    if data is None:
        raise ValueError(
            "data: without targets nothing can be rewarded; name a data set, or a discriminator's address as "
            "discriminator"
        )
    return Distance(canvases, shape)
