"""How many actors the learner asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spiral.services.learner.scaling_signal import MOST_IDLE, actor_demand


@pytest.mark.parametrize(
    ("actors", "painting", "starved", "most", "wanted"),
    [
        pytest.param(2, 2.0, 0.0, 9.0, 2.0, id="just enough of them"),
        pytest.param(1, 1.0, 0.75, 9.0, 4.0, id="one that can't feed it"),
        pytest.param(64, 3.0, 0.0, 99.0, 3.0, id="sixty-four that wait for credits most of the time"),
        pytest.param(4, 0.0, 0.5, 9.0, 4.0, id="long episodes, none of which has just ended"),
        pytest.param(2, 9.0, 0.0, 9.0, 2.0, id="a long episode has just ended: two can't have painted more than two"),
        pytest.param(0, 0.0, 1.0, 9.0, 1.0, id="nobody there: one to begin with"),
        pytest.param(8, 4.0, 0.5, 6.0, 6.0, id="eight at work, and places for what six paint: two too many"),
    ],
)
def test_it_follows_from_who_paints_and_how_long_the_learner_waits(
    actors: int, painting: float, starved: float, most: float, wanted: float
) -> None:
    assert actor_demand(actors, painting, starved, most) == pytest.approx(wanted)


@given(st.integers(0, 1000), st.floats(0, 1000), st.floats(0, 1), st.floats(0, 1), st.floats(1, 1000))
def test_it_rises_with_waiting_and_stays_within_its_bounds(
    actors: int, painting: float, starved: float, more: float, most: float
) -> None:
    less, greater = sorted((starved, more))
    assert 1 <= actor_demand(actors, painting, less, most) <= actor_demand(actors, painting, greater, most) <= most
    assert actor_demand(actors, painting, greater, most) <= max(1.0, actors / (1 - MOST_IDLE) * (1 + 1e-9))
