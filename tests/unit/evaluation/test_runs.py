"""``spiral eval`` and what it is made of: references, stroke curves, reports; and what it refuses."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from spiral.cli.main import main
from spiral.datasets import Dataset, load
from spiral.engines import create
from spiral.engines.programs import Program, render
from spiral.evaluation.bootstrap import Estimate, weights_of
from spiral.evaluation.digits import DigitsReference
from spiral.evaluation.encoders import Encoded, Encoder, lenet_encoder, views_of_colour
from spiral.evaluation.frechet import frechet_distance, gaussian_of, weighted_gaussian
from spiral.evaluation.quick_evaluation import evaluate_quickly
from spiral.evaluation.reference import Reference
from spiral.evaluation.report import rounded
from spiral.evaluation.reproduction import error_curve, reproduction
from spiral.evaluation.runs import drawn, evaluate_run
from spiral.evaluation.stroke_curve import errors_by_stroke
from spiral.evaluation.targets import mse
from spiral.extras import to_install
from spiral.models.with_torch import load_trained
from tests.support.trained_run import make_trained_run

pytestmark = pytest.mark.usefixtures("one_thread")


SMALL_ENGINE = {"grid": 16, "view": 32}


def drawings(folder: Path, count: int) -> Path:
    """`count` pictures of one disc each, 32×32 in color."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32]
    for number in range(count):
        picture = np.full((32, 32, 3), 255, np.uint8)
        (cy, cx), radius = rng.uniform(8, 24, 2), rng.uniform(3, 9)
        picture[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = rng.integers(0, 200, 3)
        Image.fromarray(picture).save(folder / f"{number:03}.png")
    return folder


def pixels_encoder() -> Encoder:
    """An encoder whose features are six pixels."""
    return Encoder("pixels", "pixels", 8, False, lambda x: Encoded(x.reshape(len(x), -1)[:, :6].astype(float), None))


def data_of(train: int, test: int) -> Dataset:
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (train + test, 8, 8, 1), dtype=np.uint8)
    return Dataset("noise", images[:train], images[train:], None, None, "", "", "")


def test_weighted_pictures_are_repeated_ones():
    features = np.random.default_rng(0).normal(size=(30, 4))
    weights = weights_of(30, seed=3, resamples=1)[0]
    found = weighted_gaussian(features, weights)
    expected = gaussian_of(np.repeat(features, weights.astype(int), axis=0))
    np.testing.assert_allclose(found.mean, expected.mean)
    np.testing.assert_allclose(found.covariance, expected.covariance)
    assert found.count == expected.count == 30
    np.testing.assert_array_equal(weighted_gaussian(features, np.ones(30)).covariance, gaussian_of(features).covariance)


def test_a_reference_measures_what_the_distances_are_and_says_how_sure():
    data, encoder = data_of(300, 200), pixels_encoder()
    reference = Reference.of(data, encoder)
    painted = encoder.encode(data_of(50, 0 + 150).test).features * 0.8
    found = reference.distances(painted, seed=0)
    assert found.fid.value == frechet_distance(gaussian_of(painted), gaussian_of(encoder.encode(data.test).features))
    assert found.fid.low < found.fid.value < found.fid.high
    assert found.kid.low < found.kid.value < found.kid.high
    assert found.fid.n == found.kid.n == 150
    assert reference.distances(painted, seed=0) == found
    real = reference.real_distances(150, seed=0)
    assert real is not None
    assert real.fid.value < found.fid.value
    assert reference.real_distances(6, seed=0) is None
    with pytest.raises(ValueError, match="6 are too few for a covariance of 6×6; expected at least 7"):
        reference.distances(painted[:6], seed=0)
    with pytest.raises(
        ValueError, match=r"noise: 6 test pictures are too few .* pixels's 6 features; expected at least 7"
    ):
        Reference.of(data_of(10, 6), encoder)


def test_more_paintings_narrow_the_interval():
    data, encoder = data_of(900, 200), pixels_encoder()
    reference = Reference.of(data, encoder)
    features = encoder.encode(data.train).features * 0.8
    widths = [(found := reference.distances(features[:n], seed=0).fid).high - found.low for n in (50, 800)]
    assert widths[1] < 0.5 * widths[0]


def test_the_reference_of_digits_gives_the_figure_of_the_ending():
    sample = load("mnist-sample", 32)
    few = Dataset("few", sample.train[:200], sample.test[:200], None, None, "", "", "")
    encoder, paintings = lenet_encoder(), sample.train[300:400]
    ending = DigitsReference.of(few).evaluate(paintings)
    found = Reference.of(few, encoder).distances(encoder.encode(paintings).features, seed=0)
    assert found.fid.value == ending.lenet_fid


@pytest.mark.parametrize("settings", [{"colour": False}, {"colour": True}, {"interface": "compound"}])
def test_the_error_after_each_stroke_is_that_of_the_program_cut_there(settings: dict[str, object]):
    settings = {**SMALL_ENGINE, **settings}
    engine = create("mypaint", settings)
    rng = np.random.default_rng(2)
    actions = np.stack([rng.integers(0, size, (3, 6)) for size in engine.spec.sizes], axis=-1).astype(np.int32)
    actions[..., 0] = [[1, 0, 1, 1, 0, 1], [0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 1, 0]]
    targets = rng.integers(0, 256, (3, *engine.observation_shape), dtype=np.uint8)
    found = errors_by_stroke(engine, actions, targets)
    compound = settings.get("interface") == "compound"  # there the first flag only begins a stroke
    assert found.shape == (3, 4 if compound else 5)
    for n, program in enumerate(actions):
        cuts = [0, *[t + 1 for t, action in enumerate(program) if action[0] == 1][int(compound) :]]
        cuts += [cuts[-1]] * (found.shape[1] - len(cuts))
        for k, cut in enumerate(cuts):
            picture = np.full((1, *engine.observation_shape), 255, np.uint8)
            if cut:
                canvas = render(Program("mypaint", settings, program[:cut]))
                factor = canvas.shape[1] // 32
                means = canvas.reshape(1, 32, factor, 32, factor, -1).mean(axis=(2, 4))
                picture = (means + 0.5).astype(np.uint8)
            assert found[n, k] == pytest.approx(mse(picture, targets[n : n + 1])[0], abs=1e-9)
    curve = error_curve(engine, actions, targets, seed=0)
    assert [error.value for error in curve] == pytest.approx(found.mean(0))
    with pytest.raises(ValueError, match=r"3 programs and targets \[2, 32, 32"):
        errors_by_stroke(engine, actions, targets[:2])


def test_reproduction_is_the_mean_of_each_pictures_figure_and_small_views_have_no_ssim():
    rng = np.random.default_rng(3)
    views, targets = rng.integers(0, 256, (2, 20, 16, 16, 1), dtype=np.uint8)
    figures, left_out = reproduction(views, targets, seed=0)
    found = {figure.key: figure.estimate for figure in figures}
    squares = [((a.astype(float) - b) ** 2).mean() / 255**2 for a, b in zip(views, targets, strict=True)]
    assert found["mse"].value == pytest.approx(np.mean(squares))
    assert found["mse"].low < found["mse"].value < found["mse"].high
    assert found["blank_mse"].value == pytest.approx((((255.0 - targets) / 255) ** 2).mean())
    assert found.keys() == {"mse", "blank_mse", "ssim"}
    assert left_out == ()
    figures, left_out = reproduction(views[:, :8, :8], targets[:, :8, :8], seed=0)
    assert "ssim" not in {figure.key for figure in figures}
    assert left_out == ("SSIM: its window needs 11×11 pixels; the view is smaller",)


def test_numbers_have_as_many_digits_as_their_interval_gives_sense_to():
    assert rounded(Estimate(134.3, 118.2, 149.4, 9)) == ("134", "118 … 149")
    assert rounded(Estimate(0.03128, 0.0304, 0.0322, 9)) == ("0.0313", "0.0304 … 0.0322")
    assert rounded(Estimate(10, 10, 10, 9)) == ("10", "10 … 10")
    assert rounded(Estimate(0.0, 0.0, 0.0, 9)) == ("0", "0 … 0")


def test_pictures_that_the_colour_encoder_cannot_take_are_refused():
    with pytest.raises(ValueError, match="needs square ones"):
        views_of_colour(np.zeros((5, 32, 64, 3), np.uint8))
    with pytest.raises(ValueError, match=r"uint8 \[5, 32, 32, 2\]"):
        views_of_colour(np.zeros((5, 32, 32, 2), np.uint8))
    assert views_of_colour(np.zeros((5, 64, 64, 1), np.uint8)).shape == (5, 32, 32, 3)


def test_real_pictures_of_a_set_in_the_order_of_its_classes_are_of_all_of_them() -> None:
    classes = np.repeat(np.arange(10, dtype=np.uint8), 200).reshape(-1, 1, 1, 1)
    shown = drawn(classes, len(classes), seed=0)
    assert set(shown[:48].ravel()) == set(range(10))
    np.testing.assert_array_equal(np.sort(shown, 0), classes)


@pytest.mark.timeout(600)
def test_eval_of_digits_prints_a_table_and_writes_json_and_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPIRAL_DATA", str(tmp_path / "no-data"))  # the embedded digits are fewer
    run = make_trained_run(tmp_path / "runs")
    command = ["eval", "--run=tiny", f"--runs={run.path.parent}", "--num=70", "--seed=4"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "after 64 learned frames, test split, seed 4" in said
    assert "95 % interval" in said
    assert "LeNet-FID of the paintings ↓" in said
    assert "against 1,000 test pictures of mnist-sample" in said
    found = json.loads((run.path / "evaluation" / "evaluation.json").read_text())
    assert (found["n"], found["seed"], found["frames"], found["resamples"]) == (70, 4, 64, 400)
    figures = found["figures"]
    assert {"lenet_fid", "lenet_kid", "real_lenet_fid", "diversity", "classes_covered"} <= figures.keys()
    assert figures["lenet_precision"]["value"] < figures["real_lenet_precision"]["value"]
    assert figures["lenet_recall"]["value"] < figures["real_lenet_recall"]["value"]
    assert all(figure["low"] <= figure["value"] <= figure["high"] and figure["n"] for figure in figures.values())
    assert found["split"] == "test"
    assert sum(found["class_histogram"]) == 70
    assert Image.open(run.path / "evaluation" / "evaluation.png").size[0] > 900
    assert not list(tmp_path.rglob("*.part"))

    assert main([*command, "--split=validation"]) == 0
    assert "against 1,003 validation pictures of mnist-sample, seen by" in capsys.readouterr().out
    found = json.loads((run.path / "evaluation-validation" / "evaluation.json").read_text())
    judged = evaluate_quickly(load_trained(run), 70, 4)  # at the end of training
    assert found["figures"]["lenet_fid"]["value"] == judged.figures["lenet_fid"]
    assert (found["split"], judged.figures["split"]) == ("validation", "validation")
    assert "against the 1,003 validation digits of mnist-sample" in judged.text


@pytest.mark.timeout(600)
def test_eval_of_a_run_with_targets_measures_the_reproduction_and_says_what_it_cannot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = f"data=folder:{drawings(tmp_path / 'drawings', 60)}"
    runs, out = tmp_path / "runs", tmp_path / "out"
    make_trained_run(runs, "after", "faces-reconstruct", [data])
    assert main(["eval", "--run=after", f"--runs={runs}", "--num=65", f"--out={out}", "--json", "--device=cpu"]) == 0
    said = capsys.readouterr().out
    found = json.loads(said)
    assert said == (out / "evaluation.json").read_text()
    figures = found["figures"]
    assert figures.keys() >= {"mse", "blank_mse", "ssim", "canvas_mse", "diversity", "real_diversity"}
    assert figures["canvas_mse"]["value"] > figures["mse"]["value"], "a view averages"
    assert figures["canvas_blank_mse"]["value"] == pytest.approx(figures["blank_mse"]["value"], rel=0.2)
    assert found["mse_after_strokes"][0]["value"] == pytest.approx(figures["blank_mse"]["value"])
    assert found["mse_after_strokes"][-1]["value"] == pytest.approx(figures["mse"]["value"])
    assert not [key for key in figures if "fid" in key], "a copy is as near to real pictures as what it copies"
    assert found["left_out"] == []
    assert (out / "evaluation.png").is_file()


@pytest.mark.timeout(600)
def test_eval_before_another_data_set_takes_its_targets_from_there(tmp_path: Path) -> None:
    runs, white = tmp_path / "runs", tmp_path / "white"
    make_trained_run(runs, "after", "faces-reconstruct", [f"data=folder:{drawings(tmp_path / 'drawings', 60)}"])
    white.mkdir()
    for number in range(60):
        Image.new("RGB", (32, 32), (255, 255, 255 - number % 3)).save(white / f"{number:03}.png")
    assert main(["eval", "--run=after", f"--runs={runs}", "--num=65", f"--data=folder:{white}", "--device=cpu"]) == 0
    found = json.loads((runs / "after" / "evaluation-white" / "evaluation.json").read_text())
    assert found["figures"]["blank_mse"]["value"] < 1e-5, "its targets are all but white"
    assert found["run"] == f"after before folder:{white}"


@pytest.mark.timeout(600)
def test_eval_at_another_temperature_leaves_that_of_what_was_learnt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_trained_run(tmp_path / "runs")
    assert main(["eval", "--run=tiny", f"--runs={run.path.parent}", "--num=70", "--temperature=0.25"]) == 0
    assert "seed 0, temperature 0.25" in capsys.readouterr().out
    assert not (run.path / "evaluation").exists()
    found = json.loads((run.path / "evaluation-at-0.25" / "evaluation.json").read_text())
    assert found["temperature"] == 0.25
    colder = evaluate_run("tiny", dataclasses.replace(load_trained(run), temperature=0.25), 70, 0)
    assert found["figures"]["diversity"]["value"] == colder["diversity"].value
    assert colder["diversity"].value != evaluate_run("tiny", load_trained(run), 70, 0)["diversity"].value


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--num=64"], "--num: 64 paintings are too few for the covariance of 64 features; expected at least 65"),
        (["--inception-weights=x.pth"], "--inception-weights: only --inception uses it"),
        (["--out=file"], "out: file is a file; name a folder"),
        (["--model=x"], "exactly one of them"),
        (["--temperature=-1"], "Invalid value for '--temperature': Input should be greater than or equal to 0"),
    ],
)
def test_eval_refuses_what_it_cannot_do_before_it_paints(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("")
    run = make_trained_run(tmp_path / "runs")
    assert main(["eval", "--run=tiny", *arguments]) == 2
    assert sentence in capsys.readouterr().err
    assert not (run.path / "evaluation").exists()


def test_a_checkpoint_of_another_network_or_engine_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_trained_run(tmp_path / "runs")
    wide = run.config_file.read_text()
    for wrong in (wide.replace("width: 16", "width: 32"), wide.replace("grid: 16", "grid: 8")):
        assert wrong != wide
        run.config_file.write_text(wrong)
        for command in (["eval"], ["paint", f"--out={tmp_path / 'x.npz'}"]):
            assert main([*command, "--run=tiny", f"--runs={tmp_path / 'runs'}"]) == 2
            said = capsys.readouterr().err
            assert "the weights are of another network or engine" in said
            assert said.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"runs"}


@pytest.mark.skipif(
    importlib.util.find_spec("torch_fidelity") is None, reason="torch-fidelity is not here: pip install '.[fid]'"
)
@pytest.mark.timeout(600)
def test_inception_features_come_from_the_weights_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch_fidelity import FeatureExtractorInceptionV3  # noqa: PLC0415

    from spiral.evaluation.inception import Inception  # noqa: PLC0415

    file, kept = tmp_path / "inception.pth", {}
    torch.save({}, file)
    with monkeypatch.context() as patched:  # the network's own first weights stand in for those that are downloaded
        patched.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda self, _: kept.update(self.state_dict()))
        FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(file))
    torch.save(kept, file)
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 1), dtype=np.uint8)
    network = Inception.load(torch.device("cpu"), file)
    features = network.features(images)
    assert features.shape == (3, 2048)
    np.testing.assert_allclose(network.features(images[1:2].repeat(3, axis=3)), features[1:2], rtol=1e-4, atol=1e-9)
    file.write_bytes(b"a letter")
    with pytest.raises(ValueError, match=r"inception.pth is not the Inception network's weights"):
        Inception.load(torch.device("cpu"), file)


def test_inception_needs_enough_paintings_or_says_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_trained_run(tmp_path / "runs")
    arguments = ["eval", "--run=tiny", f"--runs={tmp_path / 'runs'}", "--num=2048", "--inception"]
    assert main([*arguments, f"--inception-weights={tmp_path / 'none.pth'}"]) == 2
    said = capsys.readouterr().err
    if importlib.util.find_spec("torch_fidelity") is None:
        assert said == (
            f"spiral: --inception: it is measured by a package that is not here (torch_fidelity): {to_install('fid')}\n"
        )
    else:
        assert "--inception-weights: there is no file" in said
    from spiral.evaluation.inception import Inception  # noqa: PLC0415

    with pytest.raises(ValueError, match=r"2,048 paintings are too few .* of 2,048 features; expected at least 2,049"):
        Inception.check(2048, 10_000)
    with pytest.raises(ValueError, match="775 test pictures in the data set are too few"):
        Inception.check(4096, 775)


@pytest.mark.timeout(600)
def test_each_split_has_its_own_targets_and_a_run_of_before_says_that_it_held_none_out(tmp_path: Path) -> None:
    """Three shades for three splits: the error of blank paper tells which pictures were drawn."""
    images = np.random.default_rng(1).integers(0, 256, (300, 32, 32, 1), dtype=np.uint8) // 10
    trained = load_trained(make_trained_run(tmp_path, preset="mnist-reconstruct"))
    config = trained.config.model_copy(update={"hold_out_validation": False})
    of_before = dataclasses.replace(trained, config=config)
    shades = {"train": 0, "validation": 100, "test": 200}
    asked = []

    def load_shades(
        _: str = "", size: tuple[int, int] = (32, 32), *, hold_out_validation: bool, **__: object
    ) -> Dataset:
        asked.append(hold_out_validation)
        scale = size[0] // 32
        larger = images.repeat(scale, 1).repeat(scale, 2)
        train, validation, test = (larger + np.uint8(shade) for shade in shades.values())
        return Dataset("shades", train, test, None, None, "", "", "", validation=validation)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("spiral.datasets.load", load_shades)
        patched.setattr("spiral.evaluation.runs.real_digits", load_shades)
        for split, shade in shades.items():
            asked.clear()
            report = evaluate_run("a", trained, 65, 0, split=split)
            assert report["blank_mse"].value == pytest.approx(((255 - shade - 12) / 255) ** 2, rel=0.05)
            assert report.split == split
            assert "did not hold out" not in report.reference
            assert asked[0] == (split != "test"), "beside test pictures, real ones are of the whole training set"
        report = evaluate_run("a", of_before, 65, 0, split="validation")
    assert "300 validation pictures of shades, which this run did not hold out, seen" in report.reference
