"""What falls over the run: how far the run is, what is left then, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiral.configuration.files import load_config, preset_names
from spiral.configuration.schema import LearnerConfig
from spiral.launcher.schedule_report import about_schedule
from spiral.runs.checkpoint_counters import CheckpointCounters
from spiral.runs.limits import Limits
from spiral.services.learner.schedule import Schedule, average_decay, entropy_left, falls_over_run, rate_left

FALLING = LearnerConfig(learning_rate_floor=0.1, learning_rate_frames=None)


def shares(schedule: Schedule, moments: Iterable[tuple[float, int]]) -> list[float]:
    return [schedule.advance(seconds, frames) for seconds, frames in moments]


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(frames=400), [0, 0.25, 0.5, 1, 1]),
        (Limits(minutes=2), [0, 0.25, 0.75, 0.75, 1]),
        (Limits(frames=800, minutes=2), [0, 0.25, 0.75, 0.75, 1]),
        (Limits(), [0, 0.1, 0.2, 0.4, 0.41]),
    ],
)
def test_a_new_run_falls_over_its_limit_or_its_own_frames(limits: Limits, expected: list[float]) -> None:
    moments = [(0.0, 0), (30.0, 100), (90.0, 200), (90.0, 400), (120.0, 410)]
    assert shares(Schedule(limits, 1000), moments) == pytest.approx(expected, abs=1e-12)


def test_the_end_of_the_run_is_exactly_one() -> None:
    assert shares(Schedule(Limits(frames=300), 1), [(0, n) for n in (*range(0, 300, 7), 300, 300)])[-2:] == [1.0, 1.0]


@given(share=st.floats(0, 1), frames=st.integers(0, 999), steps=st.lists(st.integers(0, 1100), max_size=8))
def test_it_goes_on_in_a_line_from_where_it_was_to_the_new_end(share: float, frames: int, steps: list[int]) -> None:
    moments = [frames, *sorted(frames + step for step in steps)]
    schedule = Schedule(Limits(frames=1000), 1, {"share": share, "began": 0})
    found = shares(schedule, [(0, moment) for moment in moments])
    assert found[0] == share
    assert found == pytest.approx(np.interp(moments, [frames, 1000], [share, 1]).tolist(), abs=1e-9)
    assert found == sorted(found), "it never falls"
    assert all(value <= 1 for value in found)


def test_a_restart_counts_from_where_it_was_asked_for_and_only_once() -> None:
    restarted = Schedule(Limits(), 1000, {"share": 1.0, "began": 0}, restart=600)
    assert shares(restarted, [(0, 600), (0, 850), (0, 1600)]) == [0, 0.25, 1]
    again = Schedule(Limits(), 1000, {**restarted.state(), "share": 0.25}, restart=600)
    assert shares(again, [(0, 850), (0, 1100)]) == [0.25, 0.5]


def test_a_run_that_is_longer_than_its_own_frames_is_at_its_end() -> None:
    assert shares(Schedule(Limits(), 1000, {"share": 0.5, "began": 0}), [(0, 2000), (0, 2001)]) == [0.5, 1]


@pytest.mark.parametrize(("share", "left"), [(0, 1), (0.5, 0.55), (1, 0.1)])
def test_what_is_left_over_the_run(share: float, left: float) -> None:
    over_run = LearnerConfig(
        learning_rate_floor=0.1,
        learning_rate_frames=None,
        entropy_floor=0.1,
        entropy_frames=None,
        average=0.9,
        average_floor=0.5,
    )
    assert rate_left(over_run, 10**9, share) == pytest.approx(left)
    assert entropy_left(over_run, 10**9, share) == pytest.approx(left)
    assert 1 / (1 - average_decay(over_run, share)) == pytest.approx(10 - 5 * share)


def test_an_average_that_does_not_fall_is_the_very_number_that_was_asked_for() -> None:
    for average in (0.0, 0.1, 0.3, 0.6, 0.995, 0.998, 0.9995):
        assert average_decay(LearnerConfig(average=average), 0.37) == average


def test_the_shortest_average_is_none() -> None:
    assert average_decay(LearnerConfig(average=0.5, average_floor=0.1), 1.0) == 0


@pytest.mark.parametrize(
    ("settings", "falls"),
    [
        ({}, False),
        ({"learning_rate_floor": 0.1}, False),
        ({"learning_rate_frames": None}, False),
        ({"learning_rate_floor": 0.1, "learning_rate_frames": None}, True),
        ({"entropy_floor": 0.1}, False),
        ({"entropy_floor": 0.1, "entropy_frames": None}, True),
        ({"average_floor": 0.1}, True),
    ],
)
def test_what_falls_over_the_run(settings: dict[str, float | None], falls: bool) -> None:
    assert falls_over_run(LearnerConfig(**settings)) is falls


def test_a_run_that_goes_on_says_where_its_schedules_stand() -> None:
    assert about_schedule(FALLING, CheckpointCounters(frames=5), False) == []
    assert about_schedule(LearnerConfig(), CheckpointCounters(frames=5, run_share=1.0), False) == []
    (on_the_way,) = about_schedule(FALLING, CheckpointCounters(frames=5, run_share=0.334), False)
    (at_the_end,) = about_schedule(FALLING, CheckpointCounters(frames=5, run_share=1.0), False)
    (anew,) = about_schedule(FALLING, CheckpointCounters(frames=5, run_share=1.0), True)
    assert "are 33% done" in on_the_way
    assert "reached their floors and stay there" in at_the_end
    assert "--restart-schedule" in on_the_way
    assert "--restart-schedule" in at_the_end
    assert "begin again" in anew
    with pytest.raises(ValueError, match="--restart-schedule: this run has no schedule over the run"):
        about_schedule(LearnerConfig(), CheckpointCounters(frames=5, run_share=1.0), True)


def test_presets_that_fall_say_over_how_many_frames_where_there_is_no_limit() -> None:
    """The demo's five minutes and the quarter of an hour of digits need no number of frames."""
    learners = {name: load_config(name).learner for name in preset_names()}
    assert {"demo", "mnist"} <= {name for name, learner in learners.items() if falls_over_run(learner)}
    for name, learner in learners.items():
        assert not falls_over_run(learner) or "run_frames" in learner.model_fields_set, name


def test_weights_fall_to_their_floor_over_frames() -> None:
    config = LearnerConfig(learning_rate_floor=0.1, learning_rate_frames=100, entropy_floor=0, entropy_frames=200)
    assert [rate_left(config, frames, 0.5) for frames in (0, 50, 100, 1000)] == pytest.approx([1.0, 0.55, 0.1, 0.1])
    assert [entropy_left(config, frames, 0.5) for frames in (0, 50, 200, 1000)] == [1.0, 0.75, 0.0, 0.0]
