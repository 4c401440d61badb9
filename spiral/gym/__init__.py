"""The canvas alone, for agents of one's own: Gymnasium environments over the engine.

import gymnasium, spiral.gym
env = gymnasium.make("spiral/MyPaint-v0")
envs = gymnasium.make_vec("spiral/MyPaint-v0", num_envs=64)
"""

from __future__ import annotations

from spiral.extras import to_install

try:
    from gymnasium.envs.registration import register
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"spiral.gym: gymnasium is not installed; get it with: {to_install('gym')}", name=error.name
    ) from error

from spiral.gym.single import MyPaintEnv
from spiral.gym.vector import MyPaintVectorEnv

__all__ = ["MyPaintEnv", "MyPaintVectorEnv"]

# Work at import, as Gymnasium wants it: its registry learns of an environment when the module is imported.
register(
    "spiral/MyPaint-v0",
    entry_point="spiral.gym.single:MyPaintEnv",
    vector_entry_point="spiral.gym.vector:MyPaintVectorEnv",
)
