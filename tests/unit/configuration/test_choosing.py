"""Objectives in a configuration: flat keys outside, one value inside, and what is refused with which sentence."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from spiral.configuration.files import load_config, parse_config
from spiral.configuration.schema import DiscriminatorConfig, LearnerConfig
from spiral.objectives.discriminator import DiscriminatorObjective
from spiral.objectives.discriminator.r1 import R1
from spiral.objectives.discriminator.wgan_gp import WganGp
from spiral.objectives.policy import PolicyObjective
from spiral.objectives.policy.clip import Clip
from spiral.objectives.policy.vtrace import VTrace

ROOT = Path(__file__).parents[3]
IDLE = "discriminator: {objective: wgan-gp, r1: 2.0}"
WRITTEN_OUT = "discriminator: {objective: wgan-gp, gradient_penalty: 10.0, centring: 0.001, r1: 2.0, r1_every: 1}"
"""A file from a release that wrote the settings of every objective into every file."""


def refused(*settings: str, preset: str = "demo") -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        load_config(preset, settings)
    return str(caught.value)


def test_flat_keys_become_one_value_and_flat_keys_again(tmp_path: Path) -> None:
    config = load_config("demo", ["learner.clip=0.1", "discriminator.objective=wgan-gp", "discriminator.centring=0"])
    assert config.learner.objective == Clip(clip=0.1)
    assert config.discriminator.objective == WganGp(centring=0)
    file = tmp_path / "run.yaml"
    file.write_text(config.to_yaml())
    written = yaml.safe_load(file.read_text())
    assert (written["learner"]["off_policy"], written["learner"]["clip"]) == ("clip", 0.1)
    assert written["discriminator"]["gradient_penalty"] == 10
    assert not {"rho_bar", "c_bar", "objective"} & written["learner"].keys()
    assert not {"r1", "r1_every"} & written["discriminator"].keys()
    assert load_config(str(file)) == config


def test_every_member_is_known_by_its_file_and_by_none_of_the_sections_own_keys() -> None:
    for kind, section, names in (
        (PolicyObjective, LearnerConfig, ["clip", "decoupled", "none", "vtrace"]),
        (DiscriminatorObjective, DiscriminatorConfig, ["r1", "spectral-norm", "wgan-gp"]),
    ):
        assert sorted(kind.members()) == names
        for name, member in kind.members().items():
            assert (member.name(), kind.named(name)) == (name, member)
            assert section.model_validate({section.choice(): name}).objective == member()


def test_no_objective_needs_torch_to_be_chosen() -> None:
    chosen = [("learner.off_policy", name) for name in PolicyObjective.members()]
    chosen += [("discriminator.objective", name) for name in DiscriminatorObjective.members()]
    program = "import sys; sys.modules['torch'] = None; from spiral.configuration.files import load_config\n"
    program += "\n".join(f"load_config('demo', ['{key}={name}'])" for key, name in chosen)
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_setting_of_another_objective_is_refused() -> None:
    assert refused("learner.off_policy=vtrace", "learner.clip=0.1") == (
        "--set learner.clip=0.1: learner.clip: 0.1 belongs to off_policy clip and decoupled, but off_policy is vtrace; "
        "leave it out"
    )


def test_a_wrong_setting_is_named_as_it_is_typed() -> None:
    assert refused("learner.clip=2") == ("--set learner.clip=2: learner.clip: input should be less than 1, but it is 2")
    assert 'learner."klip" is unknown; did you mean "clip"?' in refused("learner.klip=0.1")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ppo", '"ppo" is unknown; expected one of clip, decoupled, none, vtrace, or one of your own as'),
        ("no", "found False; expected the name of an objective"),
        ("{clip: 0.1}", "found {'clip': 0.1}"),
        ("nowhere.at_all:Mine", "can't be imported: ModuleNotFoundError: No module named 'nowhere'"),
        ("spiral.values.section:Nothing", "can't be imported: AttributeError"),
        ("spiral.values.section:Section", "is no subclass of spiral.objectives.policy.PolicyObjective"),
        (f"{__name__}:Clashing", 'has a setting "reuse", which is already a key of the section'),
    ],
)
def test_an_objective_that_is_not_there_is_a_sentence(name: str, expected: str) -> None:
    sentence = refused(f"learner.off_policy={name}")
    assert sentence.startswith(f"--set learner.off_policy={name}: learner.off_policy: ")
    assert expected in sentence


class Clashing(Clip):
    """It takes a key that is the learner's."""

    reuse: int = 3


def test_another_objective_by_set_leaves_behind_what_the_preset_said_of_its_own() -> None:
    assert load_config("mnist-reconstruct").discriminator.objective == R1(r1=2)
    config = load_config("mnist-reconstruct", ["discriminator.objective=wgan-gp"])
    assert config.discriminator.objective == WganGp()
    assert "discriminator.r1: 3 belongs to" in refused("discriminator.objective=wgan-gp", "discriminator.r1=3")


def test_what_a_file_says_of_another_objective_is_ignored_where_it_said_nothing(tmp_path: Path) -> None:
    """At its default; or in a file of a release that wrote all of them, whichever was chosen."""
    file = tmp_path / "run.yaml"
    for text in (WRITTEN_OUT, IDLE.replace("2.0", "1.0")):
        file.write_text(text)
        assert load_config(str(file)).discriminator.objective == WganGp()
        assert parse_config(yaml.safe_load(text), "it").discriminator.objective == WganGp()
    file.write_text(IDLE)
    assert "run.yaml: discriminator.r1: 2.0 belongs to objective r1" in refused(preset=str(file))
    with pytest.raises(ValueError, match=r"it: discriminator\.r1: 2\.0 belongs to objective r1"):
        parse_config(yaml.safe_load(IDLE), "it")
    file.write_text(WRITTEN_OUT)
    assert "--set discriminator.r1=3: discriminator.r1: 3 belongs to" in refused("discriminator.r1=3", preset=str(file))
    assert load_config(str(file), ["discriminator.objective=r1"]).discriminator.objective == R1(r1=2)


def test_an_objective_is_given_as_a_value_in_python() -> None:
    assert LearnerConfig(off_policy=VTrace(c_bar=2)).objective == VTrace(c_bar=2)
    assert LearnerConfig().objective == VTrace()
