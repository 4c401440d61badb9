"""The mean over runs that differ in their seed: figures, intervals, curves; and through the command."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spiral.cli.main import main
from spiral.evaluation.bootstrap import Estimate
from spiral.evaluation.report import Figure, Report
from spiral.evaluation.seeds import MOST_RUNS, mean_of, over_runs
from tests.support.trained_run import make_trained_run

pytestmark = pytest.mark.usefixtures("one_thread")


def report_of(name: str, value: float, *keys: str) -> Report:
    pictures = np.full((6, 8, 8, 1), int(value), np.uint8)
    figures = tuple(Figure(key, key, Estimate(value, 0, 9, 70), "lower") for key in keys)
    curve = tuple(Estimate(value / (k + 1), 0, 9, 70) for k in range(int(value)))
    return Report(
        name, "mnist", int(value), 70, 0, "test", "real ones", figures, pictures, pictures, True, curve, (1, 2)
    )


def test_a_mean_has_students_interval() -> None:
    """12, 15 and 18: mean 15, deviation 3, and t at 97.5 % for two degrees of freedom is 4.303."""
    found = mean_of((12.0, 15.0, 18.0))
    assert (found.value, found.n) == (15, 3)
    assert found.high - found.value == pytest.approx(found.value - found.low) == pytest.approx(4.303 * 3 / 3**0.5)
    rng = np.random.default_rng(0)
    draws = [mean_of(tuple(rng.normal(7, 2, 4))) for _ in range(2_000)]
    assert np.mean([draw.low <= 7 <= draw.high for draw in draws]) == pytest.approx(0.95, abs=0.015)


def test_what_was_measured_of_all_runs_is_put_together() -> None:
    mean = over_runs([report_of("a", 2, "fid", "kid"), report_of("b", 3, "fid", "ssim"), report_of("c", 4, "fid")])
    (figure,) = mean.figures
    assert (figure.key, figure.values, figure.estimate.value, figure.estimate.n) == ("fid", (2, 3, 4), 3, 3)
    assert [error.value for error in mean.curve] == [3, 1.5], "as far as the shortest"
    assert (mean.run, mean.runs, mean.frames, mean.histogram) == ("mean of a, b, c", ("a", "b", "c"), 3, (3, 6))
    assert mean.painted[:, 0, 0, 0].tolist() == [2, 2, 3, 3, 4, 4]
    assert mean.as_dict()["figures"]["fid"]["values"] == [2, 3, 4]


def test_what_can_not_be_put_together_is_refused() -> None:
    one = report_of("a", 2, "fid")
    for reports in ([one], [one] * (MOST_RUNS + 1)):
        with pytest.raises(ValueError, match=rf"^--run: {len(reports)} runs; an interval over runs needs 2 to 16"):
            over_runs(reports)
    with pytest.raises(ValueError, match=r"a and b paint after different pictures \(mnist, faces\)"):
        over_runs([one, dataclasses.replace(report_of("b", 2, "fid"), data="faces")])


@pytest.mark.timeout(600)
def test_eval_of_several_runs_writes_each_and_their_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPIRAL_DATA", str(tmp_path / "no-data"))
    runs = tmp_path / "runs"
    for seed in (0, 1):
        make_trained_run(runs, f"tiny-{seed}", settings=[f"seed={seed}"])
    named = [f"--run=tiny-{seed}" for seed in (0, 1)]
    command = ["eval", *named, f"--runs={runs}", "--num=70", "--split=validation"]
    assert main(command) == 0
    assert "of each run" in capsys.readouterr().out
    found, *each = (
        json.loads((runs / folder / "evaluation.json").read_text())["figures"]["lenet_fid"]
        for folder in ("tiny-evaluation-validation", "tiny-0/evaluation-validation", "tiny-1/evaluation-validation")
    )
    assert found["values"] == [one["value"] for one in each]
    assert found["value"] == pytest.approx(np.mean(found["values"]))
    assert Image.open(runs / "tiny-evaluation-validation" / "evaluation.png").size[0] > 900
    assert main([*command, "--run=tiny-0"]) == 2
    assert "--run: a run is named twice: tiny-0, tiny-1, tiny-0" in capsys.readouterr().err
