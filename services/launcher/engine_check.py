"""Whether this machine can paint with a run's engine, asked before anything of the run is made or changed."""

from __future__ import annotations

from collections.abc import Sequence

from spiral.configuration.files import blame
from spiral.configuration.schema import RunConfig
from spiral.engines import EngineMissingError, create


def check_engine(config: RunConfig, settings: Sequence[str]) -> None:
    """ValueError where the renderer would refuse the engine or its settings; names those of ``settings`` at fault."""
    try:
        create(config.engine.name, config.engine.settings)
    except EngineMissingError as error:
        raise ValueError(f"engine: {error}") from error
    except ValueError as error:
        chosen = [setting for setting in settings if setting.startswith("engine.")]
        raise ValueError(f"{blame(chosen, str(error))}: {error}" if chosen else str(error)) from error
