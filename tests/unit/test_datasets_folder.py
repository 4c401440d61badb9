"""Any directory of pictures: what is read, how it is split, what is refused in which words."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spiral.datasets import get, load
from spiral.datasets.folder import read_picture


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
    with pytest.raises(ValueError, match=r"dot.png is 1×1 pixels; at least 8×8 are needed"):
        load(f"folder:{tmp_path}", 32)


def test_mixed_sizes_are_named(tmp_path: Path):
    fill(tmp_path, 20)
    Image.new("RGB", (64, 50)).save(tmp_path / "other.png")
    with pytest.raises(ValueError, match=r"2 different sizes; most are 40×32, but other.png is 64×50"):
        load(f"folder:{tmp_path}", 32)


def test_too_few_or_all_equal_pictures_are_refused(tmp_path: Path):
    fill(tmp_path, 15)
    with pytest.raises(ValueError, match="15 PNG or JPEG pictures; at least 16 are needed"):
        load(f"folder:{tmp_path}", 32)
    for number in range(16):
        Image.new("L", (32, 32)).save(tmp_path / f"{number:03}.png")
    with pytest.raises(ValueError, match="all 16 pictures are equal"):
        load(f"folder:{tmp_path}", 32)


def test_there_is_nothing_to_get_for_a_folder(tmp_path: Path):
    with pytest.raises(ValueError, match="read where it lies"):
        get(f"folder:{tmp_path}")
