"""Checkpoints: whole or not there at all, and loud about damage."""

from __future__ import annotations

import json
import logging
import os
import resource
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from spiral.configuration.files import load_config
from spiral.engines import create
from spiral.engines.description import EngineDescription
from spiral.models.with_torch import load_trained
from spiral.runs import checkpoints
from spiral.runs.checkpoints import (
    CheckpointError,
    CheckpointStore,
    State,
    pack_optimiser,
    raise_generation,
    read_latest,
    unpack_optimiser,
)
from spiral.runs.directory import Run
from spiral.runs.limits import Limits
from spiral.services.learner.trainer import Trainer


def state_of(value: int, size: int = 3) -> State:
    return State(
        {"updates": value, "mean": 0.1 + value, "rng": 2**127 + value},
        {"network": {"a.weight": torch.full((size,), float(value))}, "replay": {}},
    )


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_what_is_saved_is_read_back_bit_for_bit(tmp_path: Path) -> None:
    tensors = {
        "floats": torch.tensor([0.1, 1e38, -0.0]),
        "bytes": torch.arange(256, dtype=torch.uint8).reshape(2, 128).T,  # not contiguous
        "scalar": torch.tensor(7, dtype=torch.int64),
    }
    generator = torch.Generator().manual_seed(5)
    store = CheckpointStore(tmp_path / "checkpoints", keep=2)
    path = store.save(
        State({"pi": 3.14159, "big": 2**127 + 1}, {"network": tensors, "rng": {"g": generator.get_state()}}),
        "seed: 5\n",
    )
    found = CheckpointStore(tmp_path / "checkpoints", keep=2).latest()
    assert found is not None
    assert found.path == path
    assert found.skipped == ()
    assert found.config == "seed: 5\n"
    assert found.state.counters == {"pi": 3.14159, "big": 2**127 + 1}
    for name, tensor in tensors.items():
        read = found.state.tensors["network"][name]
        assert read.dtype == tensor.dtype
        assert torch.equal(read, tensor)
    expected = torch.rand(4, generator=generator)
    again = torch.Generator()
    again.set_state(found.state.tensors["rng"]["g"])
    assert torch.equal(torch.rand(4, generator=again), expected)


def test_a_new_run_has_none(tmp_path: Path) -> None:
    assert CheckpointStore(tmp_path, keep=1).latest() is None


def test_the_newest_are_kept_and_the_numbers_go_on(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep=2)
    for value in range(4):
        store.save(state_of(value), "")
    CheckpointStore(tmp_path, keep=2).save(state_of(4), "")
    assert names(tmp_path) == ["checkpoint-00000004", "checkpoint-00000005"]


@pytest.mark.parametrize("file", ["network.safetensors", "counters.json", "config.yaml", "manifest.json"])
@pytest.mark.parametrize("damage", ["flipped", "short", "missing", "empty"])
def test_a_damaged_newest_falls_back_and_says_so(
    tmp_path: Path, file: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    store = CheckpointStore(tmp_path, keep=2)
    store.save(state_of(1), "seed: 1\n")
    newest = store.save(state_of(2), "seed: 2\n") / file
    content = newest.read_bytes()
    if damage == "missing":
        newest.unlink()
    else:
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        newest.write_bytes({"flipped": flipped, "short": content[:-1], "empty": b""}[damage])
    reader = CheckpointStore(tmp_path, keep=2)
    with caplog.at_level(logging.WARNING):
        found = reader.latest()
    assert found is not None
    assert found.state.counters["updates"] == 1
    assert "checkpoint-00000002 is damaged" in found.skipped[0]
    assert "falling back" in caplog.text
    # The damaged one does not take the place of a whole one, and its number is not used again.
    reader.save(state_of(3), "")
    assert names(tmp_path) == ["checkpoint-00000001", "checkpoint-00000003"]


def test_nothing_but_damaged_ones_is_not_a_new_run(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep=2)
    for value in (1, 2):
        (store.save(state_of(value), "") / "counters.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"none of those .*checkpoint-00000002 is damaged.*checkpoint-00000001"):
        CheckpointStore(tmp_path, keep=2).latest()


def test_what_was_left_aside_by_a_killed_writer_is_no_checkpoint(tmp_path: Path) -> None:
    CheckpointStore(tmp_path, keep=2).save(state_of(1), "")
    torn = tmp_path / "writing-00000002"
    torn.mkdir()
    (torn / "counters.json").write_text("{")
    store = CheckpointStore(tmp_path, keep=2)
    found = store.latest()
    assert found is not None
    assert found.state.counters["updates"] == 1
    assert not torn.exists()


def test_what_only_has_the_name_of_a_checkpoint_is_left_alone_and_in_nobodys_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Files where folders should be, and a link to somebody else's folder."""
    elsewhere = tmp_path / "elsewhere"
    CheckpointStore(elsewhere, keep=1).save(state_of(1), "")
    there = tmp_path / "checkpoints"
    there.mkdir()
    (there / "checkpoint-00000001").symlink_to(elsewhere / "checkpoint-00000001")
    strange = [
        there / name for name in ("checkpoint-99000000", "checkpoint-00000003", "writing-00000002", "removing-00000001")
    ]
    for path in strange:
        path.write_text("mine")
    for value in (2, 3, 4):
        store = CheckpointStore(there, keep=2)
        found = store.latest()
        assert found is not None
        assert found.state.counters["updates"] == value - 1
        assert f"{strange[0]} is not a folder, so it is not a checkpoint" in caplog.text
        store.save(state_of(value), "")
    assert all(path.read_text() == "mine" for path in strange)
    assert read_latest(elsewhere) is not None


class Killed(BaseException):
    """No handler of the writer knows it, so it leaves on the disk what kill -9 leaves."""


@pytest.mark.parametrize(
    ("owner", "step", "calls"), [(checkpoints, "_write", 4), (os, "fsync", 6), (Path, "rename", 1)]
)
def test_a_writer_killed_at_any_step_leaves_a_whole_checkpoint(
    tmp_path: Path, owner: object, step: str, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = getattr(owner, step)
    for killed_at in range(calls):
        directory = tmp_path / str(killed_at)
        CheckpointStore(directory, keep=2).save(state_of(1), "")
        made = 0

        def dying(*arguments: object, killed_at: int = killed_at) -> object:
            nonlocal made
            if made == killed_at:
                raise Killed
            made += 1
            return real(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(owner, step, dying)
            with pytest.raises(Killed):
                CheckpointStore(directory, keep=2).save(State({"updates": 2}, {"network": {"a": torch.zeros(3)}}), "")
        found = CheckpointStore(directory, keep=2).latest()
        assert found is not None
        assert found.skipped == ()
        # Cut at the very last step, the sync of the parent directory, the new one stands already, and whole.
        assert found.state.counters["updates"] == (2 if (step, killed_at) == ("fsync", 5) else 1)


def test_a_full_disk_is_a_sentence_and_harms_nothing(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep=2)
    store.save(state_of(1), "")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # writing beyond it fails as on a full disk
    try:
        with pytest.raises(
            CheckpointError,
            match=r"can't write .*checkpoint-00000002: File too large; expected a writable directory with free space",
        ):
            store.save(state_of(2, size=100_000), "")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(tmp_path) == ["checkpoint-00000001"]
    store.save(state_of(3), "")
    found = store.latest()
    assert found is not None
    assert found.state.counters["updates"] == 3


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_directory_is_a_sentence(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(CheckpointError, match="not writable"):
            CheckpointStore(tmp_path, keep=2)
        with pytest.raises(CheckpointError, match="can't write"):
            raise_generation(tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_a_file_in_the_directorys_place_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("not a directory")
    with pytest.raises(CheckpointError, match=r"can't use .*checkpoints: "):
        CheckpointStore(tmp_path / "checkpoints", keep=2)


def test_a_newer_format_is_not_guessed_at(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep=2)
    manifest = store.save(state_of(1), "") / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 2}))
    with pytest.raises(CheckpointError, match="not of format 1"):
        store.latest()


def test_keeping_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="keep: 0"):
        CheckpointStore(tmp_path, keep=0)


def test_a_group_that_makes_no_file_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'group: "\.\./x"'):
        CheckpointStore(tmp_path, keep=1).save(State({}, {"../x": {}}), "")


def test_the_generation_rises_with_each_start(tmp_path: Path) -> None:
    directory = tmp_path / "run" / "checkpoints"
    assert [raise_generation(directory) for _ in range(3)] == [1, 2, 3]
    assert names(directory) == ["generation"]


def test_the_generation_is_on_the_disk_before_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is synced is the new number, and the name it gets is synced after it."""
    synced: list[str] = []
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        synced.append((tmp_path / "generation").read_text() if path.is_dir() else path.read_text())
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    assert raise_generation(tmp_path) == 1
    assert synced == ["1\n", "1\n"]


@pytest.mark.parametrize("content", ["", "-3", "abc", "²"])
def test_a_generation_that_is_no_number_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "generation").write_text(content)
    with pytest.raises(CheckpointError, match=r"generation: .* expected a whole number"):
        raise_generation(tmp_path)


@pytest.mark.parametrize("make", [torch.optim.Adam, torch.optim.RMSprop])
def test_an_optimiser_continues_bit_for_bit(make: type[torch.optim.Optimizer], tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Linear(4, 3)
    optimiser = make(network.parameters(), lr=0.01)  # type: ignore[call-arg]

    def step(network: nn.Module, optimiser: torch.optim.Optimizer, number: int) -> None:
        optimiser.zero_grad()
        network(torch.full((2, 4), float(number))).square().sum().backward()
        optimiser.step()

    for number in range(3):
        step(network, optimiser, number)
    store = CheckpointStore(tmp_path, keep=1)
    store.save(State({}, {"network": network.state_dict(), "optimiser": pack_optimiser(optimiser)}), "")
    found = store.latest()
    assert found is not None
    copy = nn.Linear(4, 3)
    copy.load_state_dict(found.state.tensors["network"])
    copied = make(copy.parameters(), lr=0.01)  # type: ignore[call-arg]
    unpack_optimiser(copied, found.state.tensors["optimiser"])
    for number in range(3, 6):
        step(network, optimiser, number)
        step(copy, copied, number)
    assert torch.equal(copy.weight, network.weight)
    assert torch.equal(copy.bias, network.bias)


def test_an_optimisers_state_for_other_parameters_is_refused() -> None:
    one, other = nn.Linear(4, 3), nn.Linear(5, 3)
    optimiser = torch.optim.Adam(one.parameters())
    one(torch.ones(1, 4)).sum().backward()
    optimiser.step()
    with pytest.raises(ValueError, match="fits none of this optimizer's 2 parameters"):
        unpack_optimiser(torch.optim.Adam(other.parameters()), pack_optimiser(optimiser))


def test_an_onlooker_reads_the_newest_and_leaves_what_is_being_written(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep=2)
    store.save(State({"frames": 3}, {}), "")
    (tmp_path / "writing-00000009").mkdir()
    found = read_latest(tmp_path)
    assert found is not None
    assert found.state.counters == {"frames": 3}
    assert (tmp_path / "writing-00000009").is_dir()
    assert read_latest(tmp_path / "nowhere") is None


def test_the_end_of_a_run_is_its_checkpoint_whatever_else_cannot_be_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run, config = Run(tmp_path), load_config("demo", ["policy.width=16"])
    description = EngineDescription.of(create(config.engine.name, config.engine.settings))
    trainer = Trainer(config, run, 1, lambda: description, Limits(), time.monotonic)
    run.snapshots.rename(tmp_path / "elsewhere")
    run.snapshots.write_text("a file where the folder was")
    trainer.finish()
    assert "the checkpoint is saved, but not the rest" in caplog.text
    assert read_latest(run.checkpoints("learner")) is not None


def test_a_learner_that_nobody_launched_leaves_a_run_to_paint_from(tmp_path: Path) -> None:
    run, config = Run(tmp_path), load_config("demo", ["policy.width=16"])
    description = EngineDescription.of(create(config.engine.name, config.engine.settings))
    Trainer(config, run, 1, lambda: description, Limits(), time.monotonic).finish()
    assert run.exists
    assert load_trained(run).config == config
