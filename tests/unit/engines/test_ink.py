"""Brushes whose strokes leave nothing on the canvas are measured, and told of at the start of a run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from spiral.configuration.files import load_config
from spiral.engines import create
from spiral.engines.description import EngineDescription
from spiral.engines.ink import leaves_ink
from spiral.launcher.engine_report import report_engine
from spiral.runs.directory import Run
from spiral.services.learner.episode_statistics import episode_statistics
from spiral.services.learner.unrolls import places
from spiral.values.trajectories import Trajectory

BLANK = "deevad/spray"
"""Sprays nothing where the time between two places is 0.1 s, as published."""


@pytest.mark.parametrize(
    ("settings", "leaves"),
    [
        ({}, True),
        ({"interface": "compound"}, True),
        ({"brush": BLANK}, False),
        ({"brush": "classic/smudge", "interface": "compound"}, False),
        ({"background": "transparent"}, False),  # black ink on black
    ],
)
def test_whether_strokes_leave_ink_is_tried(settings: dict[str, object], leaves: bool) -> None:
    assert leaves_ink(create("mypaint", settings)) is leaves


@pytest.mark.parametrize(("brush", "share"), [("classic/pen", 1.0), (BLANK, 0.0)])
def test_the_share_of_strokes_that_change_the_picture_is_told_beside_that_of_actions_that_paint(
    brush: str, share: float
) -> None:
    engine = create("mypaint", {"brush": brush, "grid": 8, "brush_sizes": [4]})
    rows = [[[1, 27, 60, 9]] * 2, [[0, 9, 0, 0]] * 2, [[1, 35, 3, 9]] * 2, [[1, 44, 30, 9]] * 2]
    actions = np.array(rows, np.int32)
    canvases = engine.open(2)
    observations = np.stack([canvases.reset(np.zeros(2, np.int64)), *(canvases.step(step) for step in actions)])
    trajectory = Trajectory(observations, actions, np.zeros((4, 2), np.float32))
    scores = np.zeros((5, 2), np.float32)
    told = episode_statistics(scores, {}, places(trajectory, 4), trajectory, engine.spec)
    assert (told["paint_share"], told["ink_share"]) == (0.75, share)
    trajectory.actions[..., 0] = 0
    assert "ink_share" not in episode_statistics(scores, {}, places(trajectory, 4), trajectory, engine.spec)


def test_the_start_of_a_run_tells_of_a_blank_brush_and_of_another_engine(tmp_path: Path) -> None:
    run = Run(tmp_path)
    config = load_config("demo", [f"engine.settings.brush={BLANK}"])
    (told,) = report_engine(run, config)
    assert f'"{BLANK}" leaves nothing on a blank canvas with these settings' in told
    assert report_engine(run, load_config("demo")) == []
    engine = create("mypaint", config.engine.settings)
    described = EngineDescription.of(engine).to_json()
    run.engine_file.write_text(json.dumps(described))
    assert report_engine(run, config) == [told]
    run.engine_file.write_text(json.dumps({**described, "version": "libmypaint-1.5.so.1.0.9" + engine.version[23:]}))
    assert "began with another engine: painted with libmypaint-1.5.so.1.0.9" in report_engine(run, config)[1]
