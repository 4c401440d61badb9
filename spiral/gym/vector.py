"""Many canvases as one Gymnasium environment: a step is one native call for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from spiral.engines.programs import Program
from spiral.gym.episodes import DATA, ENGINE, NUM_ACTIONS, Episodes, Info, Observation
from spiral.gym.single import METADATA, check_render_mode
from spiral.values.actions import ActionSpec
from spiral.wire.tls import Identity


class EngineVectorEnv(VectorEnv[Observation, NDArray[np.int32], NDArray[Any]]):
    """:class:`EngineEnv` with ``num_envs`` canvases, whose episodes begin and end together.

    The step after the last one starts new episodes and paints nothing (``AutoresetMode.NEXT_STEP``). Every step gives
    new arrays, into which the engine has painted: only targets are copied, and what a caller keeps stays as it is.
    """

    metadata: dict[str, Any] = {  # noqa: RUF012  (Gymnasium declares it so)
        **METADATA,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        *,
        engine: str = ENGINE,
        render_mode: str | None = None,
        settings: Mapping[str, Any] | None = None,
        num_actions: int = NUM_ACTIONS,
        data: str | None = DATA,
        discriminator: str | None = None,
        identity: Identity | None = None,
        threads: int = 1,
    ) -> None:
        """``threads`` paint; for the rest see :class:`Episodes`. ValueError says what is wrong."""
        self.render_mode = check_render_mode(render_mode)
        self._episodes = Episodes(
            num_envs,
            engine=engine,
            settings=settings,
            num_actions=num_actions,
            data=data,
            discriminator=discriminator,
            identity=identity,
            threads=threads,
        )
        self.num_envs = num_envs
        self.single_observation_space: gymnasium.Space[Any] = self._episodes.observation_space()
        self.single_action_space: gymnasium.Space[Any] = self._episodes.action_space()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    @property
    def action_spec(self) -> ActionSpec:
        """Names of an action's components, and which of them count for which value of the first."""
        return self._episodes.spec

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, Info]:
        """Blank canvases; targets drawn by ``seed``, or the option ``target``, uint8 ``[num_envs, H, W, C]``."""
        super().reset(seed=seed)
        return self._begin(options)

    def step(
        self, actions: NDArray[np.int32]
    ) -> tuple[Observation, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], Info]:
        """Execute a command on each canvas, integers ``[num_envs, K]``; all episodes terminate at the same step."""
        if self._episodes.ended:
            seen, info = self._begin(None)
            rewards = np.zeros(self.num_envs)
        else:
            seen, rewards, info = self._episodes.step(actions)
            info["_mask"] = np.ones(self.num_envs, np.bool_)
        terminated = np.full(self.num_envs, self._episodes.ended)
        return seen, rewards, terminated, np.zeros(self.num_envs, np.bool_), info

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """The canvases as RGB, uint8 ``[H, W, 3]`` each; None without a render mode."""
        return tuple(self._episodes.pictures()) if self.render_mode else None

    def programs(self) -> list[Program]:
        """The program of each canvas since the reset; ValueError if nothing has been painted."""
        return self._episodes.programs()

    def close_extras(self, **kwargs: Any) -> None:
        """Free the canvases."""
        self._episodes.close()

    def _begin(self, options: dict[str, Any] | None) -> tuple[Observation, Info]:
        seen, info = self._episodes.begin(self.np_random, options)
        return seen, {**info, "_mask": np.ones(self.num_envs, np.bool_)}


class MyPaintVectorEnv(EngineVectorEnv):
    """An :class:`EngineVectorEnv` of the engine ``mypaint``."""
