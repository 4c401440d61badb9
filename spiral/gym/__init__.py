"""Gymnasium environments over an engine: the canvas alone, for your own agents.

import gymnasium, spiral.gym
env = gymnasium.make("spiral/MyPaint-v0")
envs = gymnasium.make_vec("spiral/MyPaint-v0", num_envs=64)
"""

from __future__ import annotations

import warnings

from spiral.extras import to_install

try:
    from gymnasium.envs.registration import register
    from gymnasium.error import Error
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"spiral.gym: gymnasium is not installed; get it with: {to_install('gym')}", name=error.name
    ) from error

from spiral.engines import EngineMissingError
from spiral.engines.registry import names, plugin
from spiral.gym.single import EngineEnv, MyPaintEnv
from spiral.gym.vector import EngineVectorEnv, MyPaintVectorEnv

__all__ = ["EngineEnv", "EngineVectorEnv", "MyPaintEnv", "MyPaintVectorEnv"]


def _register() -> None:
    """Register each engine's environment with Gymnasium; warn if a package with an engine is broken."""
    for name in names():
        try:
            environment = plugin(name).environment
            if environment is not None:
                register(
                    environment.id,
                    entry_point=environment.single,
                    vector_entry_point=environment.vector,
                    kwargs={"engine": name},
                )
        except (EngineMissingError, Error) as error:
            warnings.warn(str(error), stacklevel=3)


# This runs at import, as Gymnasium requires: an environment is registered when its module is imported.
_register()
