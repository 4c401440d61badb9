"""What a run's checkpoints are made for, and what may change between two starts."""

from __future__ import annotations

import pytest

from spiral.configuration.changes import going_on
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
        going_on(load_config("demo").to_yaml(), load_config("demo", [setting]))


@pytest.mark.parametrize("setting", ["learner.learning_rate=0.1", "actor.groups=3", "discriminator.r1=5", "seed=4"])
def test_any_other_setting_may_change(setting: str) -> None:
    going_on(load_config("demo").to_yaml(), load_config("demo", [setting]))


def test_what_is_held_out_stays_as_the_run_began_whatever_its_preset_says_since() -> None:
    before, now = load_config("demo", ["hold_out_validation=false"]), load_config("demo", ["seed=4"])
    written = before.to_yaml().replace("hold_out_validation: false\n", "")
    assert "hold_out" not in written
    assert now.hold_out_validation
    assert going_on(written, now) == now.model_copy(update={"hold_out_validation": False})
    assert going_on(now.to_yaml(), before).hold_out_validation


@pytest.mark.parametrize("stored", ["", "[1, 2]", "a: [", "no_such_setting: 1"])
def test_what_another_release_wrote_is_not_compared(stored: str) -> None:
    going_on(stored, load_config("demo"))
