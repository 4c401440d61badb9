"""Warnings about a run's engine at a start: that its paint is invisible, or that it differs from the earlier engine."""

from __future__ import annotations

import json

from spiral.configuration.schema import RunConfig
from spiral.engines import EngineMissingError, create
from spiral.engines.description import EngineDescription
from spiral.engines.ink import leaves_ink
from spiral.engines.registry import plugin
from spiral.runs.directory import Run


def report_engine(run: Run, config: RunConfig) -> list[str]:
    """Sentences for the user; empty if the engine can't paint, which the services refuse anyway."""
    try:
        engine = create(config.engine.name, config.engine.settings)
        leaves = leaves_ink(engine)
    except (ValueError, MemoryError, EngineMissingError):
        return []
    said = [] if leaves else ["; ".join(plugin(config.engine.name).blank(config.engine.settings))]
    try:
        version = EngineDescription.from_json(json.loads(run.engine_file.read_text())).version
    except (OSError, ValueError):  # a new run; the learner refuses a damaged file
        return said
    if (difference := engine.differs(version)) is not None:
        said.append(f"the run began with another engine: {difference}; from now on its paintings may look different")
    return said
