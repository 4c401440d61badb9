"""What becomes of a run whose directory can't be written for a while."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.record_writer import masked_crc32c

from spiral.launcher.writable import CHECK_S, WritableCheck
from spiral.services.learner.history import LOST, History


class Clock:
    """Time by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("when", ["at once", "later"])
def test_the_user_is_told_once_that_a_run_cannot_be_written_and_once_that_it_can_again(
    when: str, tmp_path: Path
) -> None:
    folder, clock, told = tmp_path / "run", Clock(), list[str]()
    check = WritableCheck(folder, 60.0, clock, told.append)
    if when == "later":
        folder.mkdir()
        clock.now += CHECK_S
        check.step()
        folder.rmdir()
    assert told == []
    for _ in range(3):
        clock.now += CHECK_S
        check.step()
    (sentence,) = told
    assert "can't be written: No such file or directory; the run goes on and tries again every 60 s" in sentence
    folder.mkdir()
    check.step()
    assert len(told) == 1
    for _ in range(2):
        clock.now += CHECK_S
        check.step()
    assert told[1:] == [f"{folder} can be written again; the next checkpoint holds everything"]
    assert list(folder.iterdir()) == []


def records(file: Path) -> Iterator[Event]:
    """Events of a TensorBoard file: length, its checksum, the event, its checksum."""
    data = file.read_bytes()
    while data:
        length = int.from_bytes(data[:8], "little")
        assert masked_crc32c(data[:8]) == int.from_bytes(data[8:12], "little")
        assert masked_crc32c(data[12 : 12 + length]) == int.from_bytes(data[12 + length : 16 + length], "little")
        yield Event.FromString(data[12 : 12 + length])
        data = data[16 + length :]


def test_a_record_is_a_line_and_an_event(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl", tmp_path / "events", clock=lambda: 7.0)
    written = [{"frames": 10, "entropy": {"flag": 0.5}, "fps": 3}, {"frames": 20, "fps": 4.0, "note": "text"}]
    for record in written:
        history.write(record)
    history.close()
    assert [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()] == written
    (file,) = (tmp_path / "events").iterdir()
    first, *events = records(file)
    assert first.file_version == "brain.Event:2"
    assert [(event.step, event.wall_time) for event in events] == [(10, 7.0), (20, 7.0)]
    shown = [{value.tag: value.simple_value for value in event.summary.value} for event in events]
    assert shown == [{"frames": 10, "entropy/flag": 0.5, "fps": 3}, {"frames": 20, "fps": 4}]


def test_a_resumed_run_has_one_learning_curve_and_what_was_lost_lies_beside(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    steps = [10, 20, 50, 81, 40, 49, 70, 81]  # it went back once before, when this was not looked after
    file.write_text("".join(f'{{"frames": {step}}}\n' for step in steps) + '{"frames": 9')
    History(file, tmp_path / "events", 49, clock=lambda: 7.0).close()
    assert file.read_text() == "".join(f'{{"frames": {step}}}\n' for step in (10, 20, 40, 49))
    lost = [f'{{"frames": {step}}}' for step in (50, 81, 70, 81)]
    assert (tmp_path / LOST).read_text().splitlines() == [*lost, '{"frames": 9']
    (events,) = (tmp_path / "events").iterdir()
    _, purge = records(events)
    assert (purge.step, purge.session_log.status) == (50, SessionLog.START), "what TensorBoard drops other files from"
    History(file, tmp_path / "events", 49).close()
    assert len((tmp_path / LOST).read_text().splitlines()) == 5, "nothing more is lost"


@contextmanager
def full_disk(file: Path) -> Iterator[None]:
    """As long as the block lasts this process finds no space in a file that it has open."""

    def is_it(link: Path) -> bool:
        with suppress(OSError):  # the folder's own descriptor is gone by now
            return os.readlink(link) == str(file)
        return False

    (descriptor,) = [int(link.name) for link in list(Path("/proc/self/fd").iterdir()) if is_it(link)]
    real, full = os.dup(descriptor), os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, descriptor)
    yield
    os.dup2(real, descriptor)
    os.close(real)
    os.close(full)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system does not show a process's open files")
@pytest.mark.parametrize("which", ["history", "events"])
def test_a_disk_that_is_full_for_a_while_blocks_nobody_and_costs_no_record(which: str, tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl", tmp_path / "events")
    (event_file,) = (tmp_path / "events").iterdir()
    with full_disk(tmp_path / "history.jsonl" if which == "history" else event_file):
        for frames in range(400):  # more than a queue or a usual buffer between here and the disk would hold
            with pytest.raises(OSError, match="No space left"):
                history.write({"frames": frames, "note": "a record of about a hundred bytes, as they are" * 2})
    history.write({"frames": 400})
    history.close()
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["frames"] for line in lines] == list(range(401))
    assert [event.step for event in records(event_file)][1:] == list(range(401))
