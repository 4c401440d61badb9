"""Quick, Draw!: a file for each class or one packed file; held out by hash; what is wrong is a sentence."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from spiral.cli.main import main
from spiral.datasets import View, load, views
from spiral.datasets.quickdraw import PACKED, QuickDraw
from tests.support.file_server import Server, serving

DATA = Path(os.environ.get("SPIRAL_DATA", "/nonexistent"))
VIEW = View(32, 32, False)
CLASSES = ("alarm clock", "cat")


def quiet(file: str, done_bytes: int, total_bytes: int | None) -> None:
    pass


def drawings(seed: int, count: int = 200) -> np.ndarray:
    """Made-up drawings as the official files hold them: uint8 [count, 784], ink 255."""
    return np.random.default_rng(seed).integers(0, 256, (count, 784), dtype=np.uint8)


def official(folder: Path, count: int = 200) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for label, name in enumerate(CLASSES):
        np.save(folder / f"{name}.npy", drawings(label, count))
    return folder


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(official(tmp_path / "served")) as server:
        yield server


def test_classes_and_the_packed_file_are_one_set(tmp_path: Path) -> None:
    official(tmp_path / "classes")
    (tmp_path / "packed").mkdir()
    images = np.concatenate([drawings(0), drawings(1)]).reshape(-1, 28, 28)
    np.savez(tmp_path / "packed" / PACKED, images=images, labels=np.repeat([0, 1], 200).astype(np.uint8))
    one, other = (QuickDraw().read(tmp_path / place, VIEW) for place in ("classes", "packed"))
    assert one.checksum == other.checksum
    np.testing.assert_array_equal(one.train, other.train)
    np.testing.assert_array_equal(one.test, other.test)
    assert one.train.shape[1:] == (32, 32, 1)
    assert len(one.train) + len(one.test) == 400
    assert 5 <= len(one.test) <= 45  # a twentieth, by hash
    of_class = views.digits(drawings(1).reshape(-1, 28, 28), VIEW)
    assert one.test_labels is not None
    assert set(map(bytes, one.test[one.test_labels == 1])) <= set(map(bytes, of_class))


def test_equal_drawings_stand_on_one_side_and_adding_moves_none(tmp_path: Path) -> None:
    official(tmp_path / "few")
    official(tmp_path / "more")
    np.save(tmp_path / "more" / "zebra.npy", np.concatenate([drawings(0), drawings(7)]))
    few, more = (QuickDraw().read(tmp_path / place, VIEW) for place in ("few", "more"))
    assert set(map(bytes, few.test)) <= set(map(bytes, more.test))
    assert not set(map(bytes, more.train)) & set(map(bytes, more.test))


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_over_a_bad_line_arrives(server: Server, tmp_path: Path, ranges: bool) -> None:
    server.cuts, server.ranges = 2, ranges
    source = QuickDraw(classes=CLASSES, address=server.address)
    source.get(tmp_path / "got", None, quiet)
    assert {path.name for path in (tmp_path / "got").iterdir()} == {"alarm clock.npy", "cat.npy"}
    assert len(source.read(tmp_path / "got", VIEW).train) > 300
    asked = len(server.asked)
    source.get(tmp_path / "got", None, quiet)
    assert len(server.asked) == asked  # what is there and right is left alone


def test_wrong_bytes_leave_nothing_and_half_a_file_is_got_again(server: Server, tmp_path: Path) -> None:
    source = QuickDraw(classes=CLASSES, address=server.address)
    server.lies = 9
    with pytest.raises(ValueError, match=r"alarm clock.npy could not be downloaded: .*not a whole npy file"):
        source.get(tmp_path / "got", None, quiet)
    assert list((tmp_path / "got").iterdir()) == []
    server.lies = 0
    (tmp_path / "got" / "cat.npy").write_bytes((tmp_path / "served" / "cat.npy").read_bytes()[:5000])
    source.get(tmp_path / "got", None, quiet)
    assert (tmp_path / "got" / "cat.npy").read_bytes() == (tmp_path / "served" / "cat.npy").read_bytes()


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((90, 784), np.float32), "holds float32 with 2 axes; expected uint8 with 2"),
        (np.zeros((90, 28, 28), np.uint8), "holds uint8 with 3 axes"),
        (np.zeros((90, 100), np.uint8), r"its shape is \[90, 100\]; expected \[N, 784\]"),
        (np.zeros((63, 784), np.uint8), "63 drawings; expected at least 64"),
        (np.array([{"a": 1}], dtype=object), r"cat.npy: holds strokes, but bitmaps are read, uint8 \[N, 784\]"),
    ],
)
def test_a_file_of_another_make_is_refused(tmp_path: Path, array: np.ndarray, says: str) -> None:
    np.save(tmp_path / "cat.npy", array)
    with pytest.raises(ValueError, match=says):
        QuickDraw().read(tmp_path, VIEW)


def test_the_set_s_other_files_are_told_from_damaged_ones(tmp_path: Path) -> None:
    np.savez(tmp_path / "sketch.npz", train=np.zeros((2, 3), np.int16))
    for content in (b'{"word":"cat","drawing":[[[0],[1]]]}\n', (tmp_path / "sketch.npz").read_bytes()):
        (tmp_path / "cat.npy").write_bytes(content)
        with pytest.raises(ValueError, match=r"cat.npy: holds strokes, but bitmaps are read"):
            QuickDraw().read(tmp_path, VIEW)
    (tmp_path / "cat.npy").rename(tmp_path / "cat.ndjson")
    says = r"nor quickdraw10.npz is there; cat.ndjson, sketch.npz hold strokes, but bitmaps are read"
    with pytest.raises(ValueError, match=says):
        QuickDraw().get(tmp_path / "got", tmp_path, quiet)
    missing = QuickDraw().missing(tmp_path)
    assert missing is not None
    assert "numpy_bitmap" in missing


def test_a_truncated_file_is_a_sentence_for_the_command_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    official(tmp_path / "mine")
    whole = tmp_path / "mine" / "alarm clock.npy"
    whole.write_bytes(whole.read_bytes()[:-1])
    monkeypatch.setenv("SPIRAL_DATA", str(tmp_path / "data"))
    assert main(["data", "get", "quickdraw", "--from", str(tmp_path / "mine")]) == 2
    said = capsys.readouterr().err
    assert "alarm clock.npy: not a whole npy file" in said
    assert said.count("\n") == 1
    assert not list((tmp_path / "data").rglob("*.npy*"))
    with pytest.raises(ValueError, match=r"neither a <class>.npy nor quickdraw10.npz is there$"):
        QuickDraw().get(tmp_path / "got", tmp_path, quiet)


@pytest.mark.skipif(
    not (DATA / "quickdraw" / PACKED).is_file(), reason="Quick, Draw! is not here: set SPIRAL_DATA to a folder with it"
)
def test_the_real_set_holds_out_a_twentieth() -> None:
    data = load("quickdraw", 32, root=DATA)
    assert len(data.train) + len(data.test) == 40_000
    assert 1_800 < len(data.test) < 2_200
    assert data.train_labels is not None
    assert len(np.unique(data.train_labels)) == 10
    assert data.train.mean() > 150  # ink is dark on white
    assert not set(map(bytes, data.train)) & set(map(bytes, data.test))
