"""A run of a moment, for the tests of what is made of runs: a checkpoint, a learning curve, no snapshot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from spiral.configuration.files import load_config
from spiral.engines import create
from spiral.models.with_torch import make_policy
from spiral.runs.checkpoints import CheckpointStore, State
from spiral.runs.directory import Run


def make_trained_run(runs: Path, name: str = "tiny", preset: str = "demo", settings: Sequence[str] = ()) -> Run:
    """The run ``tiny`` in ``runs``: two strokes by a small policy that has learned nothing."""
    run = Run(runs / name)
    config = load_config(preset, ["policy.width=16", "num_actions=2", *settings])
    policy = make_policy(config, create(config.engine.name, config.engine.settings))
    run.path.mkdir(parents=True)
    run.config_file.write_text(config.to_yaml())
    run.history_file.write_text(json.dumps({"frames": 64, "seconds": 6.0, "fps": 10.0, "score_real": 0.5}) + "\n")
    store = CheckpointStore(run.checkpoints("learner"), keep=3)
    store.save(State({"frames": 64}, {"average": dict(policy.state_dict())}), config.to_yaml())
    return run
