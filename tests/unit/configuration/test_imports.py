"""A model's configuration imports nothing unless it is asked to."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from spiral import datasets
from spiral.configuration.files import load_config
from spiral.configuration.imports import imports_of

THEIRS = {
    "data": "theirs:Set",
    "conditional": True,
    "policy": {"width": 32},
    "learner": {"off_policy": "theirs:Loss", "power": 2, "reuse": 3, "terms": {"discriminator": 1, "theirs:term": 2}},
    "discriminator": {"objective": "theirs:Hinge", "margin": 1, "terms": ["l2", "theirs:term"]},
}


def written(folder: Path, tree: object) -> str:
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(tree))
    return str(file)


def test_all_that_would_be_imported_is_named() -> None:
    tree = {**THEIRS, "policy": {"network": "theirs:Net"}}
    assert list(imports_of(tree)) == [
        "data",
        "policy.network",
        "discriminator.terms",
        "learner.terms",
        "learner.off_policy",
        "discriminator.objective",
    ]
    assert not imports_of({"data": "folder:/a:b", "policy": {"network": "small"}, "learner": {"terms": {"l2": 1}}})


def test_a_model_is_read_without_them(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, THEIRS), base=tmp_path)
    assert (config.policy.width, config.learner.reuse) == (32, 3)
    assert config.learner.terms == {"discriminator": 1}
    assert config.discriminator.terms == ("l2",)
    assert (config.learner.objective.name(), config.discriminator.objective.name()) == ("vtrace", "wgan-gp")
    with pytest.raises(ValueError, match=r"theirs:Set \(its maker's own\)\" is unknown"):
        datasets.load(config.data, 32)


def test_a_network_is_imported_where_it_is_asked_for(tmp_path: Path) -> None:
    file = written(tmp_path, {"policy": {"network": "theirs:Net", "width": 32}})
    with pytest.raises(ValueError, match=r"policy\.network: \"theirs:Net\" is the maker's own code"):
        load_config(file, base=tmp_path)
    policy = load_config(file, ["policy.network=theirs:Net"], tmp_path).policy
    assert (policy.network, policy.width) == ("theirs:Net", 32)
