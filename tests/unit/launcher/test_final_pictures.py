"""What a run has to show at its end: whatever can't be made is named, and the rest is made all the same."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest
from PIL import Image

from spiral import pictures
from spiral.launcher.demo_pictures import paint_demo_pictures
from spiral.launcher.final_pictures import Ending, make_ending
from spiral.runs.checkpoints import CheckpointStore, State
from spiral.runs.directory import Run
from tests.support.trained_run import make_trained_run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return make_trained_run(tmp_path)


def ending_of(run: Run) -> Ending:
    return make_ending(run, lambda text: None, paintings=0)


def test_what_is_there_is_shown_and_what_is_missing_is_named(run: Run) -> None:
    ending = ending_of(run)
    assert ending.frames == 64
    assert set(ending.files) == {
        "painted next to real",
        "one painting, stroke by stroke",
        "learning curve",
        "this run beside the model mnist",
    }
    assert ending.missing == ["the same draws over time: no snapshot was written yet"]
    with Image.open(ending.files["painted next to real"]) as picture:
        assert picture.getextrema() != ((0, 0),)


@pytest.mark.parametrize(
    ("error", "why"), [(MemoryError(), "MemoryError: "), (RuntimeError("no room"), "no room"), (KeyError("a"), "'a'")]
)
def test_a_picture_that_fails_costs_no_other(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, why: str
) -> None:
    def fail(picture: Image.Image, path: Path) -> None:
        raise error

    monkeypatch.setattr(pictures, "save_png", fail)
    ending = ending_of(run)
    assert set(ending.files) == {"one painting, stroke by stroke", "learning curve"}
    assert ending.missing[0].startswith("painted next to real: ")
    assert ending.missing[0].endswith(why)


def test_what_was_made_before_it_was_cut_short_is_shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(path: Path, *paintings: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(pictures, "save_painting_gif", interrupt)
    ending = ending_of(run)
    assert set(ending.files) == {"painted next to real"}
    assert ending.missing == ["the rest: it was cut short"]


def test_the_models_that_ship_are_not_painted_for_a_run_that_is_to_stop(tmp_path: Path) -> None:
    stop = Event()
    stop.set()
    with pytest.raises(RuntimeError, match="were not painted: the run is to stop"):
        paint_demo_pictures(tmp_path, stop)


def test_a_checkpoint_of_something_else_is_named(run: Run) -> None:
    CheckpointStore(run.checkpoints("learner"), keep=3).save(State({"frames": 64}, {}), "")
    ending = ending_of(run)
    assert ending.files == {}
    assert ending.missing == ["KeyError: 'average'"]
