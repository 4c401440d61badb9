"""CelebA: the user's own copy, cut about the face and split as its authors say; on made-up pictures of its format."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spiral.cli.main import main
from spiral.datasets import View, catalogue, load
from spiral.datasets.celeba import HEIGHT, IMAGES, SPLITS, WIDTH, CelebA
from spiral.values.area_average import area_average

DATA = Path(os.environ.get("SPIRAL_DATA", "/nonexistent"))
COUNT = 70
SPLIT, TABLE = SPLITS
PARTITIONS = [0] * 50 + [1] * 4 + [2] * 16


def quiet(file: str, done_bytes: int, total_bytes: int | None) -> None:
    pass


def picture(number: int) -> np.ndarray:
    """A made-up photograph: uint8 [218, 178, 3], smooth, so that JPEG changes little."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([y, x, np.full_like(x, 3 * number)], axis=-1).clip(0, 255).astype(np.uint8)


def own_copy(folder: Path, count: int = COUNT) -> Path:
    """The official layout: img_align_celeba/000001.jpg … and list_eval_partition.txt."""
    (folder / IMAGES).mkdir(parents=True)
    lines = []
    for number in range(count):
        name = f"{number + 1:06}.jpg"
        Image.fromarray(picture(number)).save(folder / IMAGES / name, quality=95)
        lines.append(f"{name} {PARTITIONS[number]}\n")
    (folder / SPLIT).write_text("".join(lines))
    return folder


def zip_of(folder: Path) -> Path:
    """Replace the folder of pictures by the official zip."""
    with zipfile.ZipFile(folder / f"{IMAGES}.zip", "w") as archive:
        for file in sorted((folder / IMAGES).iterdir()):
            archive.write(file, f"{IMAGES}/{file.name}")
            file.unlink()
    (folder / IMAGES).rmdir()
    return folder


def test_a_folder_and_a_zip_are_one_set_split_by_the_partition_and_cut_about_the_face(tmp_path: Path) -> None:
    folder, zipped = own_copy(tmp_path / "folder"), zip_of(own_copy(tmp_path / "zip"))
    sets = []
    for place in (folder, zipped):
        CelebA().get(tmp_path / "got" / place.name, place, quiet)
        for where in (place, tmp_path / "got" / place.name):
            sets.append(CelebA().read(where, View(32, 32, True)))
    for data in sets:
        assert (len(data.train), len(data.test)) == (50, 16)  # the validation set is left out
        assert data.checksum == sets[0].checksum
    faces = np.stack([picture(n)[29:189, 9:169] for n in range(COUNT)])
    expected = area_average(faces, 5).astype(int)
    assert np.abs(sets[0].train.astype(int) - expected[:50]).max() <= 4  # but for what JPEG loses
    assert np.abs(sets[0].test.astype(int) - expected[54:]).max() <= 4


def test_the_copy_with_tables_and_nested_folders_is_the_same_set(tmp_path: Path) -> None:
    official, other = own_copy(tmp_path / "official"), own_copy(tmp_path / "other")
    (other / IMAGES).rename(other / "inner")
    (other / IMAGES).mkdir()
    (other / "inner").rename(other / IMAGES / IMAGES)
    lines = (other / SPLIT).read_text().replace(" ", ",").splitlines()
    (other / SPLIT).unlink()
    (other / TABLE).write_text("\r\n".join(["image_id,partition", *lines, ""]), encoding="utf-8-sig")
    CelebA().get(tmp_path / "got", other, quiet)
    expected = CelebA().read(official, View(16, 16, False))
    for place in (other, tmp_path / "got"):
        data = CelebA().read(place, View(16, 16, False))
        assert (len(data.train), len(data.test), data.checksum) == (50, 16, expected.checksum)
    (other / TABLE).write_text("image_id,partition\n000001.jpg,3\n")
    with pytest.raises(ValueError, match=r'csv: line 2 is "000001.jpg,3"; expected "000001.jpg,0"'):
        CelebA().read(other, View(16, 16, False))
    (other / "archive.zip").write_bytes(b"all of it")
    (other / TABLE).unlink()
    with pytest.raises(ValueError, match=r"list_eval_partition.csv; unpack archive.zip first"):
        CelebA().get(tmp_path / "got", other, quiet)


def test_nothing_is_downloaded_and_the_licence_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPIRAL_DATA", str(tmp_path))
    assert main(["data", "get", "celeba"]) == 2
    said = capsys.readouterr().err
    assert "celeba is not downloaded: it is for non-commercial research only" in said
    assert "spiral data get celeba --from DIR" in said
    assert main(["data", "check", "celeba"]) == 2
    assert "img_align_celeba (a folder or a zip) is missing" in capsys.readouterr().err
    (entry,) = (entry for entry in catalogue(tmp_path) if entry.name == "celeba")
    assert "non-commercial research only" in entry.licence
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("split", "says"),
    [
        ("000001.jpg 0\n000002.jpg 3\n", 'line 2 is "000002.jpg 3"; expected "000001.jpg 0"'),
        ("000001.jpg\n", 'line 1 is "000001.jpg"'),
        ("000001.jpg 0\n", "000002.jpg of img_align_celeba has no line; each picture has one"),
        ("".join(f"{n + 1:06}.jpg 0\n" for n in range(COUNT)), "70 pictures for training and 0 for testing"),
        (
            "".join(f"{n + 1:06}.jpg {[0, 1, 2][n % 3]}\n" for n in range(COUNT)),
            "24 pictures for training and 23 for testing .*; expected at least 64 in all",
        ),
    ],
)
def test_a_split_that_does_not_fit_is_refused(tmp_path: Path, split: str, says: str) -> None:
    folder = own_copy(tmp_path / "mine")
    (folder / SPLIT).write_text(split)
    with pytest.raises(ValueError, match=says):
        CelebA().read(folder, View(32, 32, True))
    with pytest.raises(ValueError, match=says):
        CelebA().get(tmp_path / "got", folder, quiet)
    assert not (tmp_path / "got").exists()


def test_pictures_that_are_not_the_aligned_ones_are_refused(tmp_path: Path) -> None:
    folder = own_copy(tmp_path / "mine")
    file = folder / IMAGES / "000001.jpg"
    for content, says in (
        (Image.new("RGB", (409, 687)), "a picture is 409×687; the aligned ones are 178×218"),
        (Image.new("RGB", (1, 1)), "000001.jpg is 1×1 pixels; expected at least 8×8"),
    ):
        content.save(file)
        with pytest.raises(ValueError, match=says):
            CelebA().get(tmp_path / "got", folder, quiet)
    file.write_text("a letter")
    with pytest.raises(ValueError, match=r"000001.jpg is not a readable picture"):
        CelebA().read(folder, View(32, 32, True))
    assert not (tmp_path / "got").exists()


def test_a_truncated_zip_or_a_missing_split_is_a_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPIRAL_DATA", str(tmp_path / "data"))
    folder = zip_of(own_copy(tmp_path / "mine"))
    whole = (folder / f"{IMAGES}.zip").read_bytes()
    (folder / f"{IMAGES}.zip").write_bytes(whole[: len(whole) // 2])
    assert main(["data", "get", "celeba", "--from", str(folder)]) == 2
    assert f"{IMAGES}.zip: not a zip or a truncated one" in capsys.readouterr().err
    (folder / f"{IMAGES}.zip").write_bytes(whole)
    (folder / SPLIT).unlink()
    assert main(["data", "get", "celeba", "--from", str(folder)]) == 2
    assert f"{IMAGES} (a folder or a zip) and {SPLIT} or {TABLE}" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_the_real_set_has_the_official_split() -> None:
    if not (DATA / "celeba").is_dir():
        pytest.skip("CelebA is not here: set SPIRAL_DATA to a folder with your own copy in celeba/")
    data = load("celeba", 64, colour=True, root=DATA)
    assert (len(data.train), len(data.test)) == (162_770, 19_962)
