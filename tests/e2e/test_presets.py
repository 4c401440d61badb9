"""Every preset that ships paints, is judged and learns, in whole size but for the batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from spiral.configuration.files import load_config, preset_names
from spiral.launcher.lockstep import Lockstep, deterministic
from spiral.runs.directory import Run
from spiral.runs.limits import Limits
from spiral.values.trajectories import even_unroll
from tests.support.launched import Launched

BATCHES = 2
# Whole networks, grids and episodes; fewer of them at a time, and pictures that ship with the package.
SETTINGS = ["data=mnist-sample", "actor.batch=4", "learner.batch=4", "learner.minibatches=1", "discriminator.batch=8"]


@pytest.mark.slow
@pytest.mark.parametrize("preset", preset_names())
def test_a_few_batches_move_every_weight_and_stay_finite(tmp_path: Path, preset: str) -> None:
    run = Run(tmp_path / preset)
    run.path.mkdir()
    config = load_config(preset, SETTINGS)
    with deterministic(threads=1):
        lockstep = Lockstep(config, run, Limits())
        learner = lockstep.trainer.learner
        before = {name: weights.clone() for name, weights in learner.policy.state_dict().items()}
        for _ in range(BATCHES):
            lockstep.step()
        record = lockstep.finish()
    assert learner.frames == BATCHES * config.learner.batch * even_unroll(config.num_actions, config.unroll)
    assert learner.updates == BATCHES * config.learner.reuse * config.learner.minibatches
    after = learner.policy.state_dict()
    assert all(weights.isfinite().all() for weights in after.values() if weights.is_floating_point())
    # What the last component chose conditions nothing any more; the network has layers for it all the same.
    last = len(learner.policy.spec) - 1
    unmoved = [name for name, weights in after.items() if torch.equal(weights, before[name])]
    # Nor is the first one chosen, whether to paint, where every second action has to move.
    forced = "heads.0." if config.policy.moves == "alternate" else "none"
    idle = [name for name in unmoved if name.startswith(forced) or (name.startswith("chosen") and f".{last}." in name)]
    assert unmoved == idle
    assert record is not None
    assert record["frames"] == learner.frames


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_demo_in_whole_size_learns_and_ends_with_pictures(tmp_path: Path) -> None:
    run = Launched(tmp_path / "runs", "--frames", "2000", name="demo", settings={})
    try:
        assert run.wait() == 0, run.text() + run.logs()
        assert run.run.config() == load_config("demo")
        assert run.frames() >= 2000
        assert run.objects("ending")[-1]["missing"] == []
    finally:
        run.end()
