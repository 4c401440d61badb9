"""A run goes on with what it has learned from: paths are absolute from the start, and what changed is named."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import yaml

from spiral.cli.main import main
from spiral.configuration.changes import going_on
from spiral.configuration.files import load_config
from spiral.configuration.schema import RunConfig
from spiral.datasets import load
from spiral.engines.mypaint.brushes import find_brush
from spiral.launcher.data_check import DataNews
from spiral.launcher.options import TrainOptions
from spiral.launcher.run_directory import OpenRun, open_run
from spiral.models import read_card
from spiral.models.with_torch import load_model, load_trained
from spiral.runs import dataset_record
from spiral.runs.checkpoints import CheckpointStore, State
from spiral.runs.directory import Run
from spiral.serving.options import RunOptions, parse
from tests.support.trained_run import make_trained_run
from tests.unit.datasets.test_folder import fill

TYPED = ("data=folder:pics", "engine.settings.brush=my.myb")


class Options(RunOptions):
    """A service's."""

    listen: str = "127.0.0.1:50051"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the first start, with pictures and a brush; beside it is another with others of these names."""
    for name, seed in (("here", 0), ("elsewhere", 1)):
        fill(tmp_path / name / "pics", 20, (8, 8), seed)
        shutil.copyfile(find_brush("classic/pen"), tmp_path / name / "my.myb")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def ask(runs: Path, *settings: str) -> TrainOptions:
    return TrainOptions(runs, preset="demo", name="a", settings=settings)


def begin(runs: Path) -> OpenRun:
    """A run with what was typed, which has learned something."""
    opened = open_run(ask(runs, *TYPED))
    opened.close()
    store = CheckpointStore(opened.run.checkpoints("learner"), keep=3)
    store.save(State({"frames": 64}, {}), opened.config.to_yaml())
    return opened


def keep(run: Run, data: str, *, learnt: bool = True) -> str:
    return dataset_record.store(run, data, load(data, 8), learnt=learnt)


def test_paths_are_absolute_however_they_are_given(here: Path) -> None:
    file = here / "mine.yaml"
    file.write_text("data: folder:pics\nengine: {settings: {brush: ../here/my.myb}}\n")
    for config in (
        load_config("demo", TYPED),
        load_config(str(file)),
        parse(Options, "learner", [], {"SPIRAL_SET": "\n".join(TYPED)}).run_config(),
        parse(Options, "learner", [], {"SPIRAL_CONFIG": "mine.yaml"}).run_config(),
    ):
        assert config.data == f"folder:{here}/pics"
        assert config.engine.settings["brush"] == str(here / "my.myb")
    assert load_config("demo", ["data=folder:~/x"]).data == f"folder:{Path.home()}/x"
    assert load_config("demo").engine.settings["brush"] == "classic/pen"


def test_a_run_goes_on_with_its_own_pictures_from_another_directory(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = here.parent / "runs"
    begin(runs)
    monkeypatch.chdir(here.parent / "elsewhere")
    opened = open_run(TrainOptions(runs, name="a"))
    assert opened.config.data == f"folder:{here}/pics"
    opened.close()
    with pytest.raises(ValueError, match=r"data: 'folder:.*/elsewhere/pics' does not fit the run \"a\""):
        open_run(ask(runs, *TYPED))


def test_pictures_that_were_moved_are_known_again_by_what_they_are(here: Path) -> None:
    runs, data = here.parent / "runs", f"folder:{here}/pics"
    begin(runs)
    keep(Run(runs / "a"), data)
    (here / "pics").rename(here / "moved")
    with pytest.raises(ValueError, match=r"pics does not exist; if they were moved, say where with --set data=folder:"):
        open_run(TrainOptions(runs, name="a"))
    moved = load_config("demo", ["data=folder:moved"])
    going_on(load_config("demo", [f"data={data}"]).to_yaml(), moved)
    opened = open_run(TrainOptions(runs, name="a", settings=("data=folder:moved",)))
    assert opened.report[1] == f"data was '{data}' and is '{moved.data}' from now on"
    opened.close()
    assert keep(opened.run, moved.data) == ""
    with pytest.raises(ValueError, match=r"elsewhere/pics is not what this run has learned from: .* begin a new run"):
        keep(opened.run, f"folder:{here.parent}/elsewhere/pics")


def test_a_relative_path_of_an_earlier_release_is_settled_once_and_said(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = here.parent / "runs"
    first = begin(runs)
    tree = yaml.safe_load(first.run.config_file.read_text())
    tree["data"], tree["engine"]["settings"]["brush"] = "folder:pics", "my.myb"
    as_typed = yaml.safe_dump(tree)
    first.run.config_file.write_text(as_typed)
    monkeypatch.chdir(here.parent)
    with pytest.raises(
        ValueError, match=r"data: .*config.yaml has the path 'pics', relative.*resume the run once from that"
    ):
        open_run(TrainOptions(runs, name="a"))
    monkeypatch.chdir(here)
    second = open_run(TrainOptions(runs, name="a"))
    second.close()
    assert second.config == first.config
    assert second.report[1:] == [
        f"data was the relative path 'pics'; from now on it is {here}/pics",
        f"engine.settings.brush was the relative path 'my.myb'; from now on it is {here}/my.myb",
    ]
    monkeypatch.chdir(here.parent / "elsewhere")  # where its checkpoints still hold what was typed
    going_on(as_typed, second.config)
    with pytest.raises(ValueError, match=r"engine.settings.brush: .* does not fit this run"):
        going_on(as_typed, load_config("demo", ["engine.settings.brush=/other/pen.myb", "data=folder:pics"]))


def test_what_changed_is_said_once_with_counts_and_names(here: Path) -> None:
    run, data, pictures = Run(here / "run"), f"folder:{here}/pics", here / "pics"
    news = DataNews(run)
    assert keep(run, data) == keep(run, data) == ""
    first = dataset_record.read(run)
    assert first is not None
    assert (first.pictures, first.sha256, len(first.files)) == (20, load(data, 8).checksum, 20)
    shutil.copyfile(here.parent / "elsewhere" / "pics" / "000.png", pictures / "new.png")
    shutil.copyfile(here.parent / "elsewhere" / "pics" / "001.png", pictures / "001.png")
    for name in ("002.png", "003.png"):
        (pictures / name).unlink()
    (pictures / "004.png").rename(pictures / "renamed.png")
    change = keep(run, data)
    assert "20 pictures then (sha256 " in change
    assert change.endswith(
        "files: 2 new (new.png, renamed.png), 3 gone (002.png, 003.png, 004.png), 1 changed (001.png)"
    )
    assert keep(run, data) == ""
    assert news.read() == [change]
    assert news.read() == []
    now = dataset_record.read(run)
    assert now is not None
    assert [(earlier.pictures, earlier.sha256) for earlier in now.before] == [(20, first.sha256)]


def test_a_file_whose_size_and_time_are_the_same_is_not_read_again(here: Path) -> None:
    run, data, file = Run(here / "run"), f"folder:{here}/pics", here / "pics" / "000.png"
    keep(run, data)
    before, state = dataset_record.read(run), file.stat()
    assert before is not None
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"?")
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert dataset_record._files(data, before.files) == before.files
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert dataset_record._files(data, before.files)["000.png"][2] != before.files["000.png"][2]


def test_a_zip_a_named_set_and_what_nothing_was_learnt_from(here: Path) -> None:
    run, zipped = Run(here / "run"), f"folder:{here}/pics.zip"
    with zipfile.ZipFile(here / "pics.zip", "w") as archive:
        for file in sorted((here / "pics").iterdir()):
            archive.write(file, file.name)
    assert keep(run, zipped) == keep(run, f"folder:{here}/pics") == "", "the same pictures"
    assert keep(run, "mnist-sample", learnt=False) == ""
    stored = json.loads(run.data_file.read_text())
    assert (stored["pictures"], stored["files"], stored["before"]) == (11_000, {}, [])
    assert stored["validation"] == 0
    dataset_record.store(run, "mnist-sample", load("mnist-sample", 8, hold_out_validation=True), learnt=True)
    stored = json.loads(run.data_file.read_text())
    assert (stored["pictures"], stored["validation"], stored["before"]) == (11_000, 1_003, [])
    run.data_file.write_text(json.dumps({**stored, "sha256": "00" * 32, "pictures": 70_000}))
    assert "mnist-sample is not what this run has learned from: 70,000 pictures then" in keep(run, "mnist-sample")
    run.data_file.write_text('{"data": "mni')
    assert keep(run, "mnist-sample") == "", "a run of before, or a torn file: it is stored anew"


def test_a_model_keeps_names_and_checksums_and_no_path_of_its_owner(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_trained_run(here.parent / "runs", settings=TYPED)
    data = f"folder:{here}/pics"
    keep(run, data)
    (here / "pics" / "000.png").unlink()
    keep(run, data)
    said = ["--summary", "Noise.", "--data", "Drawn here.", "--out", str(here / "model")]
    assert main(["models", "export", "--run", run.name, "--runs", str(run.path.parent), *said]) == 0
    texts = [file.read_text() for file in sorted((here / "model").glob("*.yaml"))]
    assert not any(str(here.parent) in text for text in texts)
    assert RunConfig.model_validate(yaml.safe_load(texts[1])).data == "folder:pics"
    assert [(one.name, one.pictures) for one in read_card(here / "model").data_sets] == [
        ("folder:pics", 20),
        ("folder:pics", 19),
    ]
    capsys.readouterr()
    assert main(["models", "info", str(here / "model")]) == 0
    assert f"folder:pics, 19 pictures, sha256 {load(data, 8).checksum}" in capsys.readouterr().out

    (here / "my.myb").rename(here / "gone.myb")
    model = load_model(here / "model")
    assert model.config.engine.settings["brush"] == str(here / "model" / "my.myb")
    (here / "gone.myb").rename(here / "my.myb")
    for one, other in zip(load_trained(run).paint(2, seed=1), model.paint(2, seed=1), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match=r"its maker's own pictures, .*; name yours with --set data=folder:PATH"):
        open_run(TrainOptions(here / "runs", name="b", model=here / "model"))
