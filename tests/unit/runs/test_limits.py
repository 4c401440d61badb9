"""When a run is over, and how long until then."""

from __future__ import annotations

import pytest

from spiral.runs.limits import Limits


@pytest.mark.parametrize(
    ("limits", "done", "left"),
    [
        (Limits(), None, None),
        (Limits(frames=1200), 0.5, 30.0),
        (Limits(minutes=2), 0.25, 90.0),
        (Limits(frames=1200, minutes=2), 0.5, 30.0),
        (Limits(frames=12_000, minutes=2), 0.25, 90.0),
        (Limits(frames=500), 1.2, 0.0),
    ],
)
def test_the_nearer_limit_counts(limits: Limits, done: float | None, left: float | None) -> None:
    assert limits.done(30.0, 600) == done
    assert limits.seconds_left(30.0, 600, 20.0) == left


def test_without_a_rate_only_minutes_tell_the_time_that_is_left() -> None:
    assert Limits(frames=1200).seconds_left(30.0, 600, None) is None
    assert Limits(frames=1200, minutes=2).seconds_left(30.0, 600, None) == 90.0
