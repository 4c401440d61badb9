"""All four in one process: repeatable, resumable, and it learns."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from spiral.configuration.files import load_config
from spiral.configuration.schema import RunConfig
from spiral.launcher.lockstep import Lockstep, deterministic, run_lockstep
from spiral.runs.checkpoint_counters import read_checkpoint_counters
from spiral.runs.checkpoint_reading import CheckpointError
from spiral.runs.checkpoints import CheckpointStore
from spiral.runs.directory import Run
from spiral.runs.limits import Limits

SMALL = ["actor.batch=16", "learner.batch=16", "policy.width=32", "discriminator.channels=[4, 8]", "num_actions=3"]
BATCH_FRAMES = 16 * 3


def small_config(*settings: str) -> RunConfig:
    return load_config("demo", [*SMALL, *settings])


class AfterBatches(Event):
    """Set once it was asked for so many batches."""

    def __init__(self, batches: int) -> None:
        super().__init__()
        self._left = batches

    def is_set(self) -> bool:
        self._left -= 1
        return self._left < 0


def train(
    run: Run, config: RunConfig, batches: int, limit: int | None = None, schedule_from: int = 0
) -> tuple[str, dict[str, dict[str, torch.Tensor]]]:
    """Train until so many batches are learned in all, of ``limit`` (None: as many); what was found, and every tensor of
    both checkpoints."""
    run.path.mkdir(parents=True, exist_ok=True)
    records: list[Mapping[str, Any]] = []
    limits = Limits(frames=(limit or batches) * BATCH_FRAMES)
    stopping = AfterBatches(batches - read_checkpoint_counters(run).frames // BATCH_FRAMES)
    found = run_lockstep(
        config, run, limits, threads=1, stopping=stopping, on_record=records.append, schedule_from=schedule_from
    )
    assert records[-1]["frames"] == batches * BATCH_FRAMES
    tensors = {}
    for service in ("learner", "discriminator"):
        checkpoint = CheckpointStore(run.checkpoints(service), 3).latest()
        assert checkpoint is not None
        # Kept answers carry batch ids, and those the generation, which rises with every start.
        groups = {group: value for group, value in checkpoint.state.tensors.items() if group != "answers"}
        tensors |= {f"{service}/{group}": value for group, value in groups.items()}
    return found, tensors


def assert_equal(one: dict[str, dict[str, torch.Tensor]], other: dict[str, dict[str, torch.Tensor]]) -> None:
    assert one.keys() == other.keys()
    for group, tensors in one.items():
        assert tensors.keys() == other[group].keys()
        for name, tensor in tensors.items():
            assert torch.equal(tensor, other[group][name]), f"{group}: {name}"


def test_one_seed_gives_the_same_bits_twice(tmp_path: Path) -> None:
    _, one = train(Run(tmp_path / "one"), small_config(), batches=4)
    _, two = train(Run(tmp_path / "two"), small_config(), batches=4)
    _, other = train(Run(tmp_path / "other"), small_config("seed=1"), batches=4)
    assert_equal(one, two)
    with pytest.raises(AssertionError):
        assert_equal(one, other)


FALLING = ("learner.entropy_floor=0", "learner.entropy_frames=null", "learner.average_floor=0.1")


@pytest.mark.parametrize(
    "settings", [(), (*FALLING, "discriminator.replay=3"), ("policy.noise=4", "learner.optimiser=rmsprop")]
)
def test_resumed_equals_uninterrupted(tmp_path: Path, settings: tuple[str, ...]) -> None:
    config = small_config(*settings)
    _, whole = train(Run(tmp_path / "whole"), config, batches=6)
    interrupted = Run(tmp_path / "interrupted")
    found, _ = train(interrupted, config, batches=3, limit=6)
    assert found == "a new run"
    found, resumed = train(interrupted, config, batches=6)
    assert "144 frames" in found
    assert_equal(whole, resumed)


def test_what_falls_by_frames_knows_no_limit(tmp_path: Path) -> None:
    """As in runs from before anything fell over the run."""
    config = small_config("learner.learning_rate_frames=200")
    _, whole = train(Run(tmp_path / "whole"), config, batches=6)
    extended = Run(tmp_path / "extended")
    train(extended, config, batches=3)
    _, resumed = train(extended, config, batches=6)
    assert_equal(whole, resumed)


def test_what_falls_over_the_run_stays_down_until_a_restart_is_asked_for(tmp_path: Path) -> None:
    run, config = Run(tmp_path / "run"), small_config("learner.learning_rate=0.001", "learner.learning_rate_floor=0.1")

    def learn(batches: int, limit: int, schedule_from: int = 0) -> tuple[float, float]:
        train(run, config, batches, limit, schedule_from)
        last = run.history()[-1]
        return last["run_share"], last["learning_rate"]

    assert learn(2, limit=4) == pytest.approx((0.5, 0.00055))
    assert learn(4, limit=4) == pytest.approx((1, 0.0001))
    assert learn(6, limit=8) == pytest.approx((1, 0.0001))
    restarted = 6 * BATCH_FRAMES
    assert learn(7, limit=8, schedule_from=restarted) == pytest.approx((0.5, 0.00055))
    assert learn(8, limit=8, schedule_from=restarted) == pytest.approx((1, 0.0001)), "a start anew is no restart"


def test_a_damaged_checkpoint_falls_back_and_says_so(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    train(run, small_config(), batches=2)
    train(run, small_config(), batches=4)
    newest = max(run.checkpoints("learner").glob("checkpoint-*"))
    (newest / "policy.safetensors").write_bytes(b"torn")
    found, _ = train(run, small_config(), batches=5)
    assert "96 frames" in found
    assert "damaged" in found


def test_a_run_leaves_pictures_programs_and_snapshots(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    train(run, small_config(), batches=4)
    assert sorted(path.stem for path in run.snapshots.iterdir()) == [
        "end",
        "quarter-1",
        "quarter-2",
        "quarter-3",
        "start",
    ]
    assert list(run.samples.glob("sheet-*.png"))
    assert list(run.samples.glob("painting-*.gif"))
    assert list((run.samples / "programs").glob("*.json"))
    assert run.history()[-1]["frames"] == 4 * BATCH_FRAMES
    assert list(run.events.iterdir())


def test_a_restart_in_the_middle_leaves_the_quarters_that_are_there_in_order(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    run.path.mkdir()
    now = 0.0

    def learn(quarters: int) -> None:
        """A start that is killed then; its clock begins at 0, as a new process's does."""
        nonlocal now
        began = now
        lockstep = Lockstep(small_config(), run, Limits(minutes=1), clock=lambda: now - began)
        for _ in range(quarters):
            now += 15
            lockstep.step()
            lockstep.trainer.write_due({})
        lockstep.save()

    def kept() -> dict[str, bytes]:
        return {path.stem: path.read_bytes() for path in run.snapshots.iterdir()}

    learn(quarters=2)
    before = kept()
    assert before.keys() == {"start", "quarter-1", "quarter-2"}
    learn(quarters=3)
    assert {name: content for name, content in kept().items() if name in before} == before
    assert kept().keys() - before.keys() == {"quarter-3"}


@pytest.mark.parametrize("from_s", [None, 15.0])
def test_a_learner_that_died_goes_on_in_the_same_minutes(tmp_path: Path, from_s: float | None) -> None:
    """A start of a quarter of a minute, and then one of a whole minute in whose middle the learner dies."""
    run, now = Run(tmp_path / "run"), 0.0
    run.path.mkdir()

    def learn(limits: Limits, quarters: int) -> float:
        nonlocal now
        began = now
        lockstep = Lockstep(small_config(), run, limits, clock=lambda: now - began)
        for _ in range(quarters):
            now += 15
            lockstep.step()
        lockstep.save()
        return lockstep.trainer.done

    assert learn(Limits(minutes=1), 1) == 0.25
    assert learn(Limits(minutes=1, from_s=from_s), 2) == 0.5
    assert read_checkpoint_counters(run).run_share == pytest.approx(0.25 + 0.75 / 2)
    assert read_checkpoint_counters(run).elapsed_s == 45
    assert learn(Limits(minutes=1, from_s=from_s), 2) == (0.5 if from_s is None else 1)
    assert read_checkpoint_counters(run).run_share == pytest.approx(0.8125 if from_s is None else 1)
    assert read_checkpoint_counters(run).elapsed_s == 75


@contextmanager
def full_disk(largest_bytes: int) -> Iterator[None]:
    """No file can grow beyond so many bytes, as long as the block lasts."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_cannot_be_written_is_logged_on_the_way_and_raised_at_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(tmp_path / "run")
    train(run, small_config(), batches=1)
    limits = Limits(frames=3 * BATCH_FRAMES)
    config = small_config("learner.checkpoint_s=1e-6")
    # Small files still fit, so that the history and the generation are not what fails.
    with full_disk(16 << 10), pytest.raises((OSError, CheckpointError), match="File too large"):
        run_lockstep(config, run, limits, threads=1, stopping=Event(), on_record=lambda record: None)
    said = [message for message in caplog.messages if message.startswith("not saved; the run goes on: ")]
    assert len(said) == 2
    found, _ = train(run, small_config(), batches=4)
    assert f"{BATCH_FRAMES} frames" in found


def test_painting_towards_a_target_learns(tmp_path: Path) -> None:
    """With the distance to dark targets as the score, ink grows; a policy that does not learn stays where it was.

    Ink is measured on the pictures themselves, not by the score.
    """
    folder = tmp_path / "dark"
    folder.mkdir()
    _write_dark_pictures(folder)
    settings = ["conditional=true", "discriminator.kind=l2", f"data=folder:{folder}", "seed=3", "learner.reuse=2"]

    def ink_after_training(name: str, learning_rate: float) -> tuple[float, float]:
        run = Run(tmp_path / name)
        run.path.mkdir()
        config = small_config(*settings, f"learner.learning_rate={learning_rate}", "learner.entropy_cost=0.0001")
        with deterministic(threads=1):
            lockstep = Lockstep(config, run, Limits())
            inks = []
            for _ in range(80):
                lockstep.step()
                assert lockstep.trainer.last is not None
                inks.append(255 - lockstep.trainer.last.trajectory.observations[-1].mean())
            lockstep.finish()
        return float(np.mean(inks[:10])), float(np.mean(inks[-10:]))

    before, after = ink_after_training("learning", 2e-3)
    frozen_before, frozen_after = ink_after_training("frozen", 1e-30)
    assert after > before * 1.15  # it has learned already in the first ten batches
    assert after > frozen_after * 1.3
    assert abs(frozen_after - frozen_before) < 0.25 * frozen_before
    shutil.rmtree(folder)


def _write_dark_pictures(folder: Path) -> None:

    for n in range(20):
        picture = np.full((32, 32), 255, np.uint8)
        picture[4:28, 4 : 28 - n % 4] = n % 5
        picture[0, n] = n
        Image.fromarray(picture).save(folder / f"{n}.png")
