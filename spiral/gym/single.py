"""One canvas as a Gymnasium environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from spiral.engines.programs import Program
from spiral.gym.episodes import DATA, ENGINE, NUM_ACTIONS, Episodes, Info, Observation
from spiral.values.actions import ActionSpec
from spiral.wire.tls import Identity

METADATA: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 8}


class EngineEnv(gymnasium.Env[Observation, NDArray[np.int32]]):
    """An episode is a picture: ``num_actions`` commands of the action spec, then it is terminated.

    Observations: ``canvas`` and ``target`` uint8 ``[H, W, C]``, ``pen`` float32 ``[2]`` (row and column where the last
    command ended, 0…1; absent where an engine's commands may end nowhere), ``time`` float32 ``[1]`` (share of the
    commands that are done). Rewards: see docs/gym.md.
    """

    metadata: dict[str, Any] = METADATA

    def __init__(
        self,
        *,
        engine: str = ENGINE,
        render_mode: str | None = None,
        settings: Mapping[str, Any] | None = None,
        num_actions: int = NUM_ACTIONS,
        data: str | None = DATA,
        discriminator: str | None = None,
        identity: Identity | None = None,
    ) -> None:
        """``settings`` are the ``engine``'s; for the others see :class:`Episodes`. ValueError says what is wrong."""
        self.render_mode = check_render_mode(render_mode)
        self._episodes = Episodes(
            1,
            engine=engine,
            settings=settings,
            num_actions=num_actions,
            data=data,
            discriminator=discriminator,
            identity=identity,
        )
        self.observation_space: gymnasium.Space[Any] = self._episodes.observation_space()
        self.action_space: gymnasium.Space[Any] = self._episodes.action_space()

    @property
    def action_spec(self) -> ActionSpec:
        """Names of the action's components, and which of them count for which value of the first."""
        return self._episodes.spec

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Observation, Info]:
        """A blank canvas, and a target drawn by ``seed`` or given as the option ``target``, uint8 ``[H, W, C]``."""
        super().reset(seed=seed)
        options = dict(options or {})
        if options.get("target") is not None:
            options["target"] = np.asarray(options["target"])[None]
        seen, info = self._episodes.begin(self.np_random, options)
        return _only(seen), _only(info)

    def step(self, action: NDArray[np.int32]) -> tuple[Observation, float, bool, bool, Info]:
        """Execute one command, integers ``[K]``; ``mask`` in the info says which of its components counted."""
        seen, rewards, info = self._episodes.step(np.asarray(action)[None])
        return _only(seen), float(rewards[0]), self._episodes.ended, False, _only(info)

    def render(self) -> NDArray[np.uint8] | None:
        """The canvas itself as RGB, uint8 ``[H, W, 3]``; None without a render mode."""
        return self._episodes.pictures()[0] if self.render_mode else None

    def program(self) -> Program:
        """The program since the reset; ValueError if nothing was painted."""
        return self._episodes.programs()[0]

    def close(self) -> None:
        """Free the canvas; a second call does nothing."""
        self._episodes.close()


class MyPaintEnv(EngineEnv):
    """An :class:`EngineEnv` of the engine ``mypaint``."""


def check_render_mode(render_mode: str | None) -> str | None:
    """The mode itself; ValueError if it is unknown."""
    if render_mode not in (None, *METADATA["render_modes"]):
        raise ValueError(f'render_mode: "{render_mode}" is unknown; expected "rgb_array" or none')
    return render_mode


def _only(parts: dict[str, Any]) -> dict[str, Any]:
    """The only episode of a batch, as views."""
    return {name: part[0] for name, part in parts.items()}
