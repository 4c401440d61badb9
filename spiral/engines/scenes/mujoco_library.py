"""MuJoCo and OpenGL: finds them, and gives a sentence with the remedy if one is missing or broken."""

from __future__ import annotations

import importlib
import os
from functools import cache
from typing import Any

from spiral.engines.interface import EngineMissingError
from spiral.extras import to_install

BACKENDS = {
    "egl": "apt-get install libegl1 libgl1-mesa-dri",
    "osmesa": "apt-get install libosmesa6 (gone from Mesa 25.1 on: MUJOCO_GL=egl)",
    "glfw": "a desktop session (without one: MUJOCO_GL=egl)",
}
"""The OpenGL back ends that MuJoCo can draw with, and what each needs on Debian and Ubuntu."""
NEEDED = ("MjModel", "MjData", "Renderer", "mj_forward")


@cache
def load() -> Any:
    """The module ``mujoco``, once it has a context to draw in; EngineMissingError says what is missing."""
    backend = os.environ.setdefault("MUJOCO_GL", "egl").lower()
    if backend not in BACKENDS:
        raise _missing(f'MUJOCO_GL: "{backend}" is not one of {", ".join(BACKENDS)}; leave it unset for egl')
    # Mesa's threads do not help with pictures this small, and a child forked after the first one would hang.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    try:
        mujoco = _import()
        mujoco.Renderer(mujoco.MjModel.from_xml_string("<mujoco/>"), 16, 16).close()
    except EngineMissingError:
        raise
    except Exception as error:  # whatever the loaders of OpenGL raise, at import too: an AttributeError without library
        raise _missing(
            f"MuJoCo can't draw with MUJOCO_GL={backend} ({_brief(error)}); it needs {BACKENDS[backend]}"
        ) from error
    return mujoco


def _import() -> Any:
    try:
        mujoco = importlib.import_module("mujoco")
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "mujoco":
            raise _missing(f"mujoco is not installed; get it with: {to_install('scenes')}") from error
        raise _broken(_brief(error)) from error
    if lacking := [name for name in NEEDED if not hasattr(mujoco, name)]:
        raise _broken(f"it has no {lacking[0]}")
    return mujoco


def _broken(why: str) -> EngineMissingError:
    return _missing(
        f"mujoco can't be imported ({why}); an upgrade from 3 to 4 leaves it so: pip uninstall mujoco mujoco-core, "
        f"then {to_install('scenes')}"
    )


def _missing(sentence: str) -> EngineMissingError:
    return EngineMissingError(f'engine "scenes": renderer: {sentence}')


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip()[:200]}"
