"""A part of a user's own that can't be used is refused with a sentence that names key, value and reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from spiral import datasets
from spiral.cli.main import main
from spiral.configuration.cross_checks import check_terms
from spiral.configuration.files import load_config
from spiral.configuration.schema import DiscriminatorConfig, PolicyConfig
from spiral.policy import build_policy
from spiral.services.discriminator.distances import distance
from spiral.values.actions import ActionSpec, Component
from spiral.values.imported import imported, is_path

SPEC = ActionSpec((Component("flag", 2, "choice"), Component("end", 16, "grid")))


def build(network: str) -> object:
    return build_policy(PolicyConfig(network=network), SPEC, (8, 8, 1), 2, conditional=False)


def test_a_path_is_a_module_and_a_name() -> None:
    assert [is_path(name) for name in ("a:b", "a.b.c:d", "a", "a:", ":b", "a:b:c", "a:b.c", "a-b:c")] == [True] * 2 + [
        False
    ] * 6


@pytest.mark.parametrize(
    ("path", "reason"),
    [("no_such:Thing", "ModuleNotFoundError: No module named 'no_such'"), ("math:Thing", "AttributeError: module")],
)
def test_what_is_not_there_is_said(path: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f'data: "{path}" can\'t be imported: {reason}'):
        datasets.load(path, 32)
    for ask in (build, distance, lambda name: imported(name, "policy.network")):
        with pytest.raises(ValueError, match=f"can't be imported: {reason}"):
            ask(path)
    with pytest.raises(ValueError, match="can't be imported"):
        check_terms((), DiscriminatorConfig(terms=(path,)))


def test_another_kind_of_thing_is_refused() -> None:
    with pytest.raises(ValueError, match=r'data: "pathlib:Path" is no subclass of spiral.datasets.source.Source'):
        datasets.load("pathlib:Path", 32)
    with pytest.raises(
        ValueError, match=r'policy.network: "pathlib:Path" is no subclass of spiral.policy.autoregressive.Policy'
    ):
        build("pathlib:Path")


@pytest.mark.parametrize("setting", ["policy.network=smal", "discriminator.terms=[l3]"])
def test_a_name_that_is_no_path_is_unknown(setting: str) -> None:
    with pytest.raises(ValueError, match=r"is unknown; expected one of .*, or one of your own as my_package.my_module"):
        load_config("mnist-reconstruct", ["data=mnist-sample", setting])


def test_a_term_that_nobody_answers_is_said() -> None:
    with pytest.raises(ValueError, match=r"learner.terms: mine:ink is not answered"):
        load_config("mnist-reconstruct", ["data=mnist-sample", "learner.terms={discriminator: 1, mine:ink: 2}"])


@pytest.mark.parametrize(
    "settings",
    [
        ["policy.network=no_such:Net"],
        ["data=no_such:Set"],
        ["learner.off_policy=no_such:Loss"],
        ["conditional=true", "discriminator.terms=[no_such:term]"],
    ],
)
def test_training_refuses_it_before_anything_is_made(
    settings: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word for setting in settings for word in ("--set", setting)]
    assert main(["train", "--runs", str(tmp_path / "runs"), "--run", "own", *words]) == 2
    assert "can't be imported: ModuleNotFoundError: No module named 'no_such'" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
