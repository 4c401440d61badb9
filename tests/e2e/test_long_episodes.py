"""Episodes that are cut into unrolls: in lockstep, and over the services."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch

from spiral.configuration.files import load_config
from spiral.engines.programs import Program, render
from spiral.launcher.lockstep import Lockstep, deterministic, run_lockstep
from spiral.runs.directory import Run
from spiral.runs.limits import Limits
from tests.support.launched import SMALL, Launched

TINY = ["data=mnist-sample", "actor.batch=4", "learner.batch=8", "policy.width=16", "discriminator.channels=[4, 8]"]


def lockstep_of(folder: Path, *settings: str) -> Lockstep:
    run = Run(folder)
    run.path.mkdir()
    return Lockstep(load_config("mnist-long", [*TINY, *settings]), run, Limits())


def test_a_cut_run_learns_every_action_once_and_repeats_to_the_bit(tmp_path: Path) -> None:
    weights = []
    for name in ("one", "two"):
        with deterministic(threads=1):
            lockstep = lockstep_of(tmp_path / name, "num_actions=7", "unroll=3", "discriminator.batch=4")
            learner, judge = lockstep.trainer.learner, lockstep._judge
            frames, versions, borders = [], [], []
            for _ in range(6):
                lockstep.step()
                frames.append(learner.frames)
                versions.append(judge.version.number)
                borders.append(lockstep.between_episodes)
        assert frames == [24, 48, 56, 80, 104, 112]
        # It learns from the first final picture on.
        assert versions == [0, 0, 1, 2, 3, 4]
        assert borders == [False, False, True] * 2
        record = lockstep.finish()
        assert record is not None
        assert np.isfinite([record["reward"], record["score_first"], record["score_final"]]).all()
        weights.append(learner.policy.state_dict())
        programs = sorted((Run(tmp_path / name).samples / "programs").glob("*.json"))
        assert programs
        for file in programs:
            assert len(Program.load(file).actions) == 7
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())


def test_what_is_too_large_for_the_queue_is_told_at_the_start(tmp_path: Path) -> None:
    large = ["num_actions=1000", "unroll=1000", "learner.queue_bytes=4194304"]
    with pytest.raises(ValueError, match=r"learner.queue_bytes: 4194304 bytes hold 0 .* or unroll < 1000"):
        lockstep_of(tmp_path / "large", *large)
    with pytest.raises(ValueError, match="unroll"):
        load_config("mnist-long", ["unroll=0"])


@pytest.mark.slow
@pytest.mark.parametrize("reward", ["tca", "final"])
def test_a_hundred_and_ninety_nine_strokes_in_lockstep(tmp_path: Path, reward: str) -> None:
    run = Run(tmp_path / "run")
    run.path.mkdir()
    config = load_config("mnist-long", [*TINY, f"learner.reward={reward}"])
    records: list[dict[str, object]] = []
    run_lockstep(config, run, Limits(frames=2 * 8 * 199), threads=1, stopping=Event(), on_record=records.append)  # type: ignore[arg-type]
    last = records[-1]
    assert last["frames"] == 2 * 8 * 199
    assert np.isfinite([last["reward"], last["score_first"], last["score_final"]]).all()
    program = Program.load(sorted((run.samples / "programs").glob("*.json"))[-1])
    assert len(program.actions) == 199
    assert (render(program) < 255).any()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("network", ["small", "paper"])
def test_the_services_learn_from_unrolls(tmp_path: Path, network: str) -> None:
    settings = {**SMALL, "num_actions": 11, "unroll": 4, "policy.network": network, "actor.batch": 8}
    run = Launched(tmp_path / "runs", "--frames", "300", settings=settings)
    try:
        # The paper's network paints and learns some thirty times as slowly as the small one.
        assert run.wait(540) == 0, run.text() + run.logs()
        assert run.frames() >= 300
        programs = list((run.run.samples / "programs").glob("*.json"))
        assert programs
        assert all(len(Program.load(file).actions) == 11 for file in programs)
        assert run.objects("ending")[-1]["missing"] == []
    finally:
        run.end()
