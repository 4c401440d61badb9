"""Any directory of pictures: what is read, how it is split, what is refused in which words."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spiral.cli.main import main
from spiral.configuration.files import load_config
from spiral.datasets import get, load
from spiral.datasets.picture_file import read_picture
from spiral.launcher.data_check import check_data


def fill(folder: Path, count: int = 60, size: tuple[int, int] = (40, 32), seed: int = 0) -> Path:
    """Write `count` noise pictures of size (width, height)."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        noise = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number:03}.png")
    return folder


def test_a_folder_is_split_by_hash(tmp_path: Path):
    data = load(f"folder:{fill(tmp_path / 'a')}", 32, colour=True)
    assert data.train.shape[1:] == (32, 32, 3)
    assert len(data.train) + len(data.test) == 60
    assert 1 <= len(data.test) <= 20


def test_names_and_order_change_neither_split_nor_checksum(tmp_path: Path):
    fill(tmp_path / "a")
    (tmp_path / "b" / "deep").mkdir(parents=True)
    for number, file in enumerate(sorted((tmp_path / "a").iterdir())):
        (tmp_path / "b" / "deep" / f"{999 - number}.PNG").write_bytes(file.read_bytes())
    one, other = load(f"folder:{tmp_path / 'a'}", 16), load(f"folder:{tmp_path / 'b'}", 16)
    assert one.checksum == other.checksum
    assert sorted(map(bytes, one.test)) == sorted(map(bytes, other.test))


def test_equal_pictures_never_stand_on_both_sides(tmp_path: Path):
    fill(tmp_path, 30)
    for number in range(30):
        (tmp_path / f"copy{number}.png").write_bytes((tmp_path / f"{number:03}.png").read_bytes())
    data = load(f"folder:{tmp_path}", 32)
    assert not set(map(bytes, data.train)) & set(map(bytes, data.test))


def test_even_a_small_folder_has_both_sides(tmp_path: Path):
    for seed in range(8):
        data = load(f"folder:{fill(tmp_path / str(seed), 16, (8, 8), seed)}", 8)
        assert len(data.train) >= 1
        assert len(data.test) >= 1


def test_pictures_are_cut_about_their_centre_not_stretched(tmp_path: Path):
    fill(tmp_path, 16, (16, 16))
    for number, file in enumerate(sorted(tmp_path.iterdir())):
        pixels = np.zeros((32, 64), np.uint8)
        pixels[:, 16:48] = 100 + number
        Image.fromarray(pixels).save(file)
    data = load(f"folder:{tmp_path}", 32)
    assert data.train.min() >= 100


def test_transparency_16_bits_palettes_and_orientation(tmp_path: Path):
    clear = Image.new("RGBA", (8, 8), (10, 20, 30, 0))
    clear.save(tmp_path / "clear.png")
    assert (read_picture(tmp_path / "clear.png", 3) == 255).all()
    deep = Image.fromarray(np.full((8, 8), 0x80FF, np.uint16))
    deep.save(tmp_path / "deep.png")
    assert (read_picture(tmp_path / "deep.png", 1) == 0x80).all()
    Image.new("P", (8, 8), 0).save(tmp_path / "palette.png")
    assert read_picture(tmp_path / "palette.png", 3).shape == (8, 8, 3)
    turned = Image.new("L", (16, 8))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(tmp_path / "turned.jpg", exif=exif)
    assert read_picture(tmp_path / "turned.jpg", 1).shape == (16, 8, 1)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("text.png", b"this is a letter", "1 of 21 pictures cannot be used: text.png is not a readable picture"),
        ("empty.jpg", b"", "empty.jpg is not a readable picture"),
    ],
)
def test_a_file_that_is_no_picture_is_named(tmp_path: Path, name: str, content: bytes, says: str):
    fill(tmp_path, 20)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=says):
        load(f"folder:{tmp_path}", 32)


def test_a_picture_that_is_no_plain_file_is_refused_unread(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.png")  # nobody will ever write to it
    with pytest.raises(ValueError, match=r"pipe\.png is not a readable picture \(not a plain file\)"):
        read_picture(tmp_path / "pipe.png", 1)


def test_truncated_pictures_are_named_and_counted(tmp_path: Path):
    fill(tmp_path, 20)
    for number in range(7):
        file = tmp_path / f"{number:03}.png"
        file.write_bytes(file.read_bytes()[:-500])
    with pytest.raises(ValueError, match=r"7 of 20 pictures cannot be used: 000.png .*; and 2 more"):
        load(f"folder:{tmp_path}", 32)


def test_a_picture_of_one_pixel_is_named(tmp_path: Path):
    fill(tmp_path, 20)
    Image.new("L", (1, 1)).save(tmp_path / "dot.png")
    with pytest.raises(ValueError, match=r"dot.png is 1×1 pixels; expected at least 8×8"):
        load(f"folder:{tmp_path}", 32)


def test_mixed_sizes_are_named(tmp_path: Path):
    fill(tmp_path, 20)
    Image.new("RGB", (64, 50)).save(tmp_path / "other.png")
    with pytest.raises(ValueError, match=r"2 different sizes; most are 40×32, but other.png is 64×50"):
        load(f"folder:{tmp_path}", 32)


def test_too_few_or_all_equal_pictures_are_refused(tmp_path: Path):
    fill(tmp_path, 15)
    with pytest.raises(ValueError, match="15 PNG or JPEG pictures; expected at least 16"):
        load(f"folder:{tmp_path}", 32)
    for number in range(16):
        Image.new("L", (32, 32)).save(tmp_path / f"{number:03}.png")
    with pytest.raises(ValueError, match="all 16 pictures are equal"):
        load(f"folder:{tmp_path}", 32)


def test_links_are_followed_each_folder_once_and_what_leads_nowhere_is_said(tmp_path: Path) -> None:
    mine = fill(tmp_path / "around" / "mine", 17)
    fill(tmp_path / "elsewhere" / "deep", 40, seed=1)
    for name, target in (
        ("a", tmp_path / "elsewhere"),
        ("again", tmp_path / "elsewhere" / "deep"),
        ("circle", mine),
        ("up", tmp_path / "around"),
        ("gone.png", tmp_path / "none.png"),
        (".hidden", tmp_path / "none"),
    ):
        (mine / name).symlink_to(target)
    (tmp_path / "elsewhere" / "back").symlink_to(mine)
    (mine / "1.gif").touch()
    data = load(f"folder:{mine}", 32)
    assert len(data.train) + len(data.test) == 57
    assert data.notes == (
        "links that lead nowhere are left out: 1 (gone.png)",
        "links to a folder that holds this one are left out: 1 (up)",
        "pictures that are neither PNG nor JPEG are left out: 1 .gif",
    )


def test_light_writing_on_dark_gets_a_hint_from_check_and_at_the_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path, 16, (28, 28))
    for number, file in enumerate(sorted(tmp_path.iterdir())):
        pixels = np.zeros((28, 28), np.uint8)
        pixels[8:20, 8 : 10 + number // 2] = 255 - number
        Image.fromarray(pixels).save(file)
    assert main(["data", "check", f"folder:{tmp_path}"]) == 0
    assert "the edges of the pictures are dark (mean brightness 0 of 255)" in capsys.readouterr().out
    said = check_data(load_config("demo", [f"data=folder:{tmp_path}"]), (32, 32, 1))
    assert said[0].endswith(" test pictures")
    assert "invert them first" in said[1]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("mine.tgz", r"mine.tgz is a file; only folders and .zip archives are read. Unpack it"),
        ("mine.7z", r"mine.7z is a file; only folders and .zip archives are read. Unpack it"),
        ("link", r"link is a link to nowhere, which does not exist"),
        ("absent", r"absent does not exist"),
    ],
)
def test_what_is_no_folder_and_no_zip_is_told_by_what_it_is(tmp_path: Path, name: str, says: str) -> None:
    for file in ("mine.tgz", "mine.7z"):
        (tmp_path / file).touch()
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(ValueError, match=says):
        load(f"folder:{tmp_path / name}", 32)


@pytest.mark.parametrize(
    ("offset", "value", "says"),
    [
        (6, b"\x01", r"mine.zip: 000.png is protected by a password.* Unpack it"),
        (8, b"\x09", r"mine.zip: 000.png is compressed by Deflate64.* Unpack it"),
    ],
)
def test_a_zip_that_python_does_not_unpack_is_not_called_damaged(
    tmp_path: Path, offset: int, value: bytes, says: str
) -> None:
    """One byte of each header says how it is packed: first that of a file, two further on that of the directory."""
    place = tmp_path / "mine.zip"
    with zipfile.ZipFile(place, "w") as archive:
        for file in sorted(fill(tmp_path / "mine", 20).iterdir()):
            archive.write(file, file.name)
    whole = bytearray(place.read_bytes())
    for header, further in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        at = whole.index(header) + offset + further
        whole[at : at + 1] = value
    place.write_bytes(whole)
    with pytest.raises(ValueError, match=says):
        load(f"folder:{place}", 32)


def test_there_is_nothing_to_get_for_a_folder(tmp_path: Path):
    with pytest.raises(ValueError, match="read in place"):
        get(f"folder:{tmp_path}")
