"""Models: exporting one of a run, finding, reading and painting with it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from spiral.cli.main import main
from spiral.configuration.files import load_config
from spiral.datasets import Dataset
from spiral.models import CARD, POLICY, bundled_models, find_discriminator, find_model, read_card
from spiral.models.with_torch import load_model, load_trained
from spiral.runs.checkpoints import read_latest
from spiral.runs.directory import Run
from spiral.services.discriminator.build import build_judge
from spiral.services.discriminator.initial_weights import load_initial_weights
from tests.support.bundled_models import darkest
from tests.support.trained_run import make_trained_run


@pytest.fixture
def _nothing_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo begins with what the models that ship paint, in a process of its own; here that would be seconds each."""
    monkeypatch.setattr("spiral.launcher.demo_pictures.SHOWN", ())


def _export(run: Run, folder: Path) -> list[str]:
    described = ["--summary", "Digits.", "--data", "MNIST, CC BY-SA 3.0", "--limits", "Two batches."]
    return ["models", "export", "--run", run.name, "--runs", str(run.path.parent), "--out", str(folder), *described]


def test_a_run_becomes_a_model_that_paints_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_trained_run(tmp_path / "runs")
    folder = tmp_path / "model"
    export = _export(run, folder)
    assert main(export) == 0
    assert main(["models", "info", str(folder)]) == 0
    assert "Two batches." in capsys.readouterr().out
    card = read_card(find_model(str(folder)))
    trained, model = load_trained(run), load_model(folder)
    assert card.frames == trained.frames == model.frames
    for one, other in zip(trained.paint(4, seed=1), model.paint(4, seed=1), strict=True):
        np.testing.assert_array_equal(one, other)
    assert main(["paint", "--model", str(folder), "--num", "2", "--out", str(tmp_path / "painted")]) == 0
    assert len(list((tmp_path / "painted").glob("*.png"))) == 2
    assert main(export) == 2
    assert f"{folder} exists" in capsys.readouterr().err


def test_a_card_says_what_is_known_of_this_checkpoint_alone(tmp_path: Path) -> None:
    run = make_trained_run(tmp_path / "runs")
    (run.path / "evaluation").mkdir()
    evaluation = run.path / "evaluation" / "evaluation.json"
    evaluation.write_text(json.dumps({"frames": 32, "figures": {"mse": {"value": 0.5}}}))
    assert main(_export(run, tmp_path / "first")) == 0
    card = read_card(tmp_path / "first")
    assert card.scores == {}, "they are those of an earlier checkpoint"
    assert card.machine == "unknown"

    evaluation.write_text(json.dumps({"frames": 64, "figures": {"mse": {"value": 0.5}}}))
    run.machine_file.write_text(json.dumps({"cores": 16}))
    run.precision_file("learner").write_text(json.dumps({"precision": "bf16", "device": "cuda"}))
    assert main(_export(run, tmp_path / "second")) == 0
    card = read_card(tmp_path / "second")
    assert card.scores == {"mse": 0.5}
    assert card.machine.startswith("16 cores")
    assert card.machine.endswith("a GPU")

    (tmp_path / "second" / CARD).rename(run.initial_card_file)
    for name, machines in (("third", card.machine), ("fourth", f"{card.machine}, then {card.machine[1:]}")):
        assert main(_export(run, tmp_path / name)) == 0
        assert read_card(tmp_path / name).machine == machines
        run.machine_file.write_text(json.dumps({"cores": 6}))


def test_a_models_own_objective_is_imported_for_nobody_who_paints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "theirs"
    shutil.copytree(bundled_models()["mnist"], folder)
    config = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(config.replace("off_policy: clip", "off_policy: theirs_:Loss\n  power: 2"))
    (tmp_path / "theirs_.py").write_text(f"open({str(tmp_path / 'imported')!r}, 'w')")
    monkeypatch.syspath_prepend(tmp_path)
    load_model(folder)
    assert main(["train", "--from", str(folder), "--runs", str(tmp_path / "runs"), "--frames", "1"]) == 2
    assert "add --set learner.off_policy=theirs_:Loss if you trust it" in capsys.readouterr().err
    assert not (tmp_path / "imported").exists()


def test_what_is_no_model_is_said_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / CARD).write_text("summary: [1, 2\n")
    with pytest.raises(ValueError, match="can't be read"):
        read_card(tmp_path)
    (tmp_path / CARD).write_text("summary: Digits.\nframes: -1\n")
    with pytest.raises(ValueError, match="frames"):
        read_card(tmp_path)
    assert main(["models", "info", str(tmp_path / "nowhere")]) == 2
    assert "neither a model that ships" in capsys.readouterr().err
    for who in ([], ["--run", "a", "--model", "b"]):
        assert main(["paint", *who, "--out", str(tmp_path / "out")]) == 2
        assert "exactly one of them" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_every_model_that_ships_is_small_and_paints() -> None:
    for name, folder in bundled_models().items():
        assert (folder / POLICY).stat().st_size <= 8_000_000, name
        card = read_card(folder)
        assert card.scores, name
    for name, value in darkest().items():
        assert value < 255, name


@pytest.mark.usefixtures("_nothing_shown")
def test_a_run_goes_on_from_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It begins with the model's weights, keeps them while the new discriminator learns alone, then changes them."""
    folder = tmp_path / "model"
    assert main(_export(make_trained_run(tmp_path / "untrained"), folder)) == 0
    model = load_model(folder).policy.state_dict()
    words = ["train", "--from", str(folder), "--in-process", "--runs", str(tmp_path / "runs"), "--judge", "0"]

    def distance(name: str, *settings: str) -> float:
        changed = [word for setting in ("learner.batch=4", "actor.batch=4", *settings) for word in ("--set", setting)]
        assert main([*words, "--run", name, "--frames", "64", *changed]) == 0
        # The average follows the weights slowly; that it moves at all shows that they do.
        after = load_trained(Run(tmp_path / "runs" / name)).policy.state_dict()
        return max(float((after[key] - weights).abs().max()) for key, weights in model.items())

    assert 0 < distance("tuned", "learner.hold_batches=2") < 0.1
    assert main([*words, "--run", "tuned", "--frames", "128"]) == 2
    assert "has already begun" in capsys.readouterr().err
    assert main([*words, "--preset", "demo"]) == 2


@pytest.mark.usefixtures("_nothing_shown")
def test_a_model_whose_learning_rate_has_fallen_to_nothing_asks_for_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "--in-process", "--runs", str(tmp_path), "--judge", "0", "--frames", "8"]
    small = ["learner.batch=4", "actor.batch=4", "policy.width=16", "num_actions=2", "learner.learning_rate_floor=0"]
    small = [word for setting in [*small, "learner.learning_rate_frames=8"] for word in ("--set", setting)]
    assert main([*words, "--run", "first", *small]) == 0
    assert main(_export(Run(tmp_path / "first"), tmp_path / "ended")) == 0
    words += ["--from", str(tmp_path / "ended"), "--run", "second"]
    capsys.readouterr()
    assert main(words) == 2
    assert "after the 8 frames of ended the learning rate has fallen to 0" in capsys.readouterr().err
    assert not (tmp_path / "second").exists()
    settings = ("learner.learning_rate_frames=80", "learner.learning_rate=0.001", "learner.hold_batches=2")
    assert main([*words, *(f"--set={setting}" for setting in settings)]) == 0
    printed = capsys.readouterr()
    assert "begins with ended after its 8 frames, at a learning rate of 0.0009" in printed.out + printed.err


@pytest.mark.usefixtures("_nothing_shown")
def test_a_run_goes_on_with_the_models_own_discriminator(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It ships apart from the policy; frames and hours are those of all runs, one after another."""
    words = ["train", "--in-process", "--runs", str(tmp_path), "--judge", "0"]
    small = ["learner.batch=4", "actor.batch=4", "policy.width=16", "num_actions=2", "discriminator.channels=[4,8]"]
    small = [word for setting in small for word in ("--set", setting)]
    assert main([*words, "--run", "first", "--frames", "64", *small]) == 0
    first = Run(tmp_path / "first")
    model = tmp_path / "model"
    assert main([*_export(first, model), "--discriminator", str(model)]) == 0

    assert main([*words, "--run", "second", "--from", str(model), "--frames", "8", "--set=learner.batch=4"]) == 0
    second = Run(tmp_path / "second")
    assert second.config().learner.hold_batches == 0, "it needs no time to catch up"
    before, after = (read_latest(run.checkpoints("discriminator")) for run in (first, second))
    assert before is not None
    assert after is not None
    rate, updates = second.config().discriminator.learning_rate, after.state.counters["updates"]
    for name, weights in before.state.tensors["network"].items():
        half = weights.abs().max() * 2.0**-10
        assert (after.state.tensors["network"][name] - weights).abs().max() <= 2 * rate * updates + half, name

    assert main([*words, "--run", "longer", "--from", str(model), "--frames", "12", "--set=num_actions=3"]) == 0
    _, programs = load_trained(Run(tmp_path / "longer")).paint(2, seed=0)
    assert programs.shape[1] == 3, "programs may become longer"

    again = tmp_path / "again"
    assert main(_export(second, again)) == 0
    assert read_card(again).frames == read_card(model).frames + load_trained(second).frames
    capsys.readouterr()
    untrained = make_trained_run(tmp_path / "untrained")
    assert main([*_export(untrained, tmp_path / "none"), "--discriminator", str(tmp_path / "none")]) == 2
    assert 'the run "tiny" has none that learns' in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def _blank(shape: tuple[int, int, int]) -> Dataset:
    pictures = np.zeros((4, *shape), np.uint8)
    return Dataset("blank", pictures, pictures.copy(), None, None, "made here", "none needed", "")


def test_the_discriminators_in_the_repository_fit_their_models(tmp_path: Path) -> None:
    for name, folder in bundled_models().items():
        run = Run(tmp_path / name)
        discriminator = find_discriminator(folder)
        assert discriminator is not None
        run.path.mkdir()
        run.initial_discriminator_file.write_bytes(discriminator.read_bytes())
        model = load_model(folder)
        shape = model.engine.observation_shape
        assert load_initial_weights(build_judge(model.config, shape, _blank(shape), seed=0), run), name


def test_a_discriminator_of_another_network_is_refused(tmp_path: Path) -> None:
    shape = (32, 32, 1)
    judge = build_judge(load_config("demo"), shape, _blank(shape), seed=0)
    run = Run(tmp_path)
    assert not load_initial_weights(judge, run)
    run.initial_discriminator_file.write_bytes(save({"weight": torch.zeros(3)}))
    with pytest.raises(ValueError, match="the model's discriminator: its network has the shapes"):
        load_initial_weights(judge, run)
    run.initial_discriminator_file.write_bytes(b"something else")
    with pytest.raises(ValueError, match="not a safetensors file"):
        load_initial_weights(judge, run)
