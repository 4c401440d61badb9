"""What a run's checkpoints are made for, and what may change between two starts."""

from __future__ import annotations

import pytest

from spiral.configuration.changes import check_goes_on
from spiral.configuration.files import load_config


@pytest.mark.parametrize(
    "setting",
    [
        "data=mnist",
        "num_actions=7",
        "engine.settings.grid=8",
        "policy.moves=first",
        "learner.optimiser=rmsprop",
        "discriminator.channels=[4,4]",
    ],
)
def test_a_setting_that_checkpoints_are_made_for_is_refused(setting: str) -> None:
    with pytest.raises(ValueError, match=rf"^{setting.partition('=')[0]}: .* does not fit this run"):
        check_goes_on(load_config("demo").to_yaml(), load_config("demo", [setting]))


@pytest.mark.parametrize("setting", ["learner.learning_rate=0.1", "actor.groups=3", "discriminator.r1=5", "seed=4"])
def test_any_other_setting_may_change(setting: str) -> None:
    check_goes_on(load_config("demo").to_yaml(), load_config("demo", [setting]))


@pytest.mark.parametrize("stored", ["", "[1, 2]", "a: [", "no_such_setting: 1"])
def test_what_another_release_wrote_is_not_compared(stored: str) -> None:
    check_goes_on(stored, load_config("demo"))
