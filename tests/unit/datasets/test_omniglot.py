"""Omniglot: zips, folders and the packed file are one set; what is damaged or missing is a sentence."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spiral.cli.main import main
from spiral.datasets import View, load
from spiral.datasets.decoding import decode
from spiral.datasets.omniglot import PACKED, SIDE, Omniglot, Part
from tests.support.file_server import Server, serving

DATA = Path(os.environ.get("SPIRAL_DATA", "/nonexistent"))
VIEW = View(SIDE, SIDE, False)
HALVES = {"images_background": ("Korean", "Latin"), "images_evaluation": ("Tengwar",)}
CHARACTERS, DRAWERS = 2, 3


def quiet(file: str, done_bytes: int, total_bytes: int | None) -> None:
    pass


def drawn(seed: int) -> np.ndarray:
    """Ink of one drawing, bool [105, 105]."""
    return np.random.default_rng(seed).random((SIDE, SIDE)) < 0.1


def official(folder: Path) -> Path:
    """Lay out both halves as they unpack: half/alphabet/character/drawing.png, 1 bit, ink black."""
    seed = 0
    for half, alphabets in HALVES.items():
        for alphabet in alphabets:
            for character in range(1, CHARACTERS + 1):
                place = folder / half / alphabet / f"character{character:02}"
                place.mkdir(parents=True)
                for drawer in range(1, DRAWERS + 1):
                    Image.fromarray(~drawn(seed)).save(place / f"{seed:04}_{drawer:02}.png")
                    seed += 1
    return folder


def zipped(folder: Path, target: Path) -> Omniglot:
    """Zip the halves of `folder` into `target`; the source that expects exactly those zips."""
    target.mkdir(parents=True, exist_ok=True)
    parts = []
    for half in HALVES:
        path = target / f"{half}.zip"
        files = sorted((folder / half).rglob("*.png"))
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in files:
                archive.write(file, file.relative_to(folder))
        parts.append(Part(half, hashlib.md5(path.read_bytes()).hexdigest(), len(files)))
    return Omniglot(background=parts[0], evaluation=parts[1])


def packed(target: Path, alphabets: bool = True) -> None:
    """The packed file of the same drawings; older ones do not name their alphabets."""
    target.mkdir(parents=True, exist_ok=True)
    counts = [len(names) * CHARACTERS * DRAWERS for names in HALVES.values()]
    bits = np.stack([np.packbits(drawn(seed)) for seed in range(sum(counts))])
    characters = (np.arange(sum(counts)) // DRAWERS).astype(np.uint16)
    arrays = {"bits": bits, "character": characters, "evaluation": np.arange(sum(counts)) >= counts[0]}
    if alphabets:
        names = [name for half in HALVES.values() for name in half]
        arrays |= {"alphabet": (characters // CHARACTERS).astype(np.uint8), "alphabet_names": np.array(names)}
    np.savez(target / PACKED, **arrays)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return official(tmp_path / "official")


@pytest.fixture
def source(folder: Path, tmp_path: Path) -> Omniglot:
    return zipped(folder, tmp_path / "zips")


@pytest.fixture
def server(source: Omniglot, tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "zips") as server:
        yield server


def test_zips_folders_and_the_packed_file_are_one_set(source: Omniglot, folder: Path, tmp_path: Path) -> None:
    packed(tmp_path / "packed")
    sets = [source.read(place, VIEW) for place in (tmp_path / "zips", folder, tmp_path / "packed")]
    for place in (tmp_path / "zips", folder, tmp_path / "packed"):
        held_out = source.read(place, VIEW, hold_out_validation=True)
        assert held_out.validation_labels is not None
        assert held_out.validation_labels.tolist() == [0, 0, 0, 1, 1, 1]  # Korean, by the hash of its name
    for data in sets:
        assert data.train.shape == (12, SIDE, SIDE, 1)
        assert data.test.shape == (6, SIDE, SIDE, 1)
        np.testing.assert_array_equal(data.train[:, :, :, 0] == 0, np.stack([drawn(seed) for seed in range(12)]))
        assert set(np.unique(data.test)) == {0, 255}  # ink is black on white
        assert data.train_labels is not None
        assert data.test_labels is not None
        assert data.train_labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
        assert data.test_labels.tolist() == [4, 4, 4, 5, 5, 5]
        assert data.checksum == sets[0].checksum


def test_get_packs_a_folder_and_copies_the_rest(source: Omniglot, folder: Path, tmp_path: Path) -> None:
    packed(tmp_path / "packed")
    checksum = source.read(folder, VIEW).checksum
    for number, place in enumerate((folder, tmp_path / "zips", tmp_path / "packed")):
        source.get(tmp_path / str(number), place, quiet)
        assert source.read(tmp_path / str(number), VIEW).checksum == checksum
        assert not list((tmp_path / str(number)).glob("*.part"))
    again = (tmp_path / "0" / "images_background.zip").stat().st_mtime_ns
    source.get(tmp_path / "0", folder, quiet)  # what is there and right is left alone
    assert (tmp_path / "0" / "images_background.zip").stat().st_mtime_ns == again


@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_over_a_bad_line_arrives(source: Omniglot, server: Server, tmp_path: Path, ranges: bool) -> None:
    server.cuts, server.ranges = 2, ranges
    here = Omniglot(background=source.background, evaluation=source.evaluation, address=server.address)
    here.get(tmp_path / "got", None, quiet)
    assert len(here.read(tmp_path / "got", VIEW).train) == 12
    assert [wanted is not None for _, wanted in server.asked] == [False, True, True, False]
    assert {path.name for path in (tmp_path / "got").iterdir()} == {f"{half}.zip" for half in HALVES}


def test_wrong_bytes_leave_nothing(source: Omniglot, server: Server, tmp_path: Path) -> None:
    server.lies = 9
    here = Omniglot(background=source.background, evaluation=source.evaluation, address=server.address)
    with pytest.raises(ValueError, match=r"images_background.zip could not be downloaded: .*not a zip"):
        here.get(tmp_path / "got", None, quiet)
    assert list((tmp_path / "got").iterdir()) == []


def test_a_truncated_zip_is_a_sentence_and_leaves_nothing(source: Omniglot, tmp_path: Path) -> None:
    whole = tmp_path / "zips" / "images_evaluation.zip"
    whole.write_bytes(whole.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"images_evaluation.zip: not a zip or a truncated one .*; get it again"):
        source.read(tmp_path / "zips", VIEW)
    with pytest.raises(ValueError, match=r"images_evaluation.zip: not a zip or a truncated one"):
        source.get(tmp_path / "got", tmp_path / "zips", quiet)
    assert {path.name for path in (tmp_path / "got").iterdir()} == {"images_background.zip"}  # it was right


def test_bytes_damaged_inside_a_zip_are_named(source: Omniglot, tmp_path: Path) -> None:
    path = tmp_path / "zips" / "images_evaluation.zip"
    content = bytearray(path.read_bytes())
    content[120:160] = bytes(40)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"0012_01.png in .*images_evaluation.zip is damaged"):
        source.read(tmp_path / "zips", VIEW)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda place: (place / "0012_01.png").write_bytes(b"a letter"), "0012_01.png is not a readable picture"),
        (
            lambda place: Image.new("1", (1, 1)).save(place / "0012_01.png"),
            "0012_01.png is 1×1 pixels; expected at least 8×8",
        ),
        (lambda place: Image.new("1", (28, 28)).save(place / "0012_01.png"), "is 28×28 pixels; Omniglot's are 105×105"),
        (lambda place: (place / "0012_01.png").unlink(), "17 pictures of Omniglot; expected 18. Get it again"),
    ],
)
def test_a_picture_that_is_none_is_named(folder: Path, source: Omniglot, change: object, says: str) -> None:
    assert callable(change)
    change(folder / "images_evaluation" / "Tengwar" / "character01")
    with pytest.raises(ValueError, match=says):
        source.read(folder, VIEW)


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"bits": np.zeros((18, 1379), np.uint8)}, 'has no array "character"'),
        ({"bits": np.zeros((18, 9), np.uint8)}, "bits have 9 bytes a picture; expected 1379"),
        ({"character": np.zeros(17, np.uint16)}, "different numbers of rows"),
        ({"bits": np.zeros((18, 1379), np.int64)}, 'array "bits" is int64 with 2 axes; expected uint8 with 2'),
    ],
)
def test_a_packed_file_of_another_make_is_refused(
    source: Omniglot, tmp_path: Path, arrays: dict[str, np.ndarray], says: str
) -> None:
    whole = {
        "bits": np.zeros((18, 1379), np.uint8),
        "character": np.zeros(18, np.uint16),
        "evaluation": np.arange(18) > 9,
    }
    chosen = arrays if "no array" in says else {**whole, **arrays}
    np.savez(tmp_path / PACKED, **chosen)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=says):
        source.read(tmp_path, VIEW)


def test_the_command_refuses_a_truncated_zip_with_one_sentence(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    zipped(folder, tmp_path / "zips")
    for path in (tmp_path / "zips").iterdir():
        path.write_bytes(path.read_bytes()[:-100])
    monkeypatch.setenv("SPIRAL_DATA", str(tmp_path / "data"))
    assert main(["data", "get", "omniglot", "--from", str(tmp_path / "zips")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("spiral: ")
    assert "images_background.zip: not a zip or a truncated one" in said
    assert said.count("\n") == 1
    assert not list((tmp_path / "data").rglob("*.*"))
    assert main(["data", "check", "omniglot"]) == 2
    assert "images_background.zip is missing. Get it with: spiral data get omniglot" in capsys.readouterr().err


@pytest.mark.skipif(
    not (DATA / "omniglot" / PACKED).is_file(),
    reason="Omniglot is not here: set SPIRAL_DATA to a folder with omniglot/",
)
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_real_set_is_whole_and_agrees_with_the_official_pictures() -> None:
    data = load("omniglot", 32, root=DATA)
    assert not set(map(bytes, data.train)) & set(map(bytes, data.test))
    assert (len(data.train), len(data.test)) == (19_280, 13_180)
    assert data.train_labels is not None
    assert data.test_labels is not None
    assert len(np.unique(data.train_labels)) == 964
    assert len(np.unique(data.test_labels)) == 659
    assert not set(data.train_labels) & set(data.test_labels)
    few = DATA / "omniglot" / "images_background_small1.zip"
    if not few.is_file():
        pytest.skip("the official images_background_small1.zip is not here: its pictures are not compared")
    with np.load(DATA / "omniglot" / PACKED) as arrays:
        known = set(map(bytes, arrays["bits"][~arrays["evaluation"]]))
    with zipfile.ZipFile(few) as archive:
        names = [name for name in archive.namelist() if name.endswith(".png")][::20]
        assert len(names) > 100
        for name in names:
            assert bytes(np.packbits(decode(archive.read(name), name)[:, :, 0] < 128)) in known
