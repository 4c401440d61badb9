"""Emoji and faces: packed or as their makers give them; relatives stay on one side; what is wrong is a sentence."""

from __future__ import annotations

import importlib.util
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spiral.cli.main import main
from spiral.datasets import View, load
from spiral.datasets import emoji as emoji_set
from spiral.datasets import faces as faces_set
from spiral.datasets.emoji import Emoji, base_glyph, held_out
from spiral.datasets.faces import Faces
from spiral.datasets.reading import digest
from spiral.extras import to_install

DATA = Path(os.environ.get("SPIRAL_DATA", "/nonexistent"))
VIEW = View(32, 32, True)
TONES = ("", "_1f3fb", "_1f3fd", "_1f3ff")


def quiet(file: str, done_bytes: int, total_bytes: int | None) -> None:
    pass


def names() -> list[str]:
    """36 glyphs, every third of them in four skin tones."""
    return [
        f"emoji_u{0x1F400 + glyph:x}{tone}.png"
        for glyph in range(36)
        for tone in (TONES if glyph % 3 == 0 else TONES[:1])
    ]


def glyphs(side: int = 32) -> np.ndarray:
    """Made-up glyphs, uint8 [72, side, side, 4], half of each transparent."""
    images = np.random.default_rng(0).integers(0, 256, (len(names()), side, side, 4), dtype=np.uint8)
    images[:, : side // 2, :, 3] = 0
    return images


def repository(folder: Path) -> Path:
    """As a clone of the official repository has them: the size that is read, and one that is not."""
    for size, images in ((128, glyphs()), (32, glyphs(16))):
        place = folder / "png" / str(size)
        place.mkdir(parents=True)
        for name, image in zip(names(), images, strict=True):
            Image.fromarray(image).save(place / name)
    (folder / "png" / "128" / "license.png").write_bytes(b"not named by code points, so not an emoji")
    return folder


def packed_emoji(folder: Path, **changed: np.ndarray) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"images": glyphs(), "files": np.array([name.removeprefix("emoji_u") for name in names()])}
    arrays["category"] = np.zeros(len(names()), np.uint8)
    np.savez(folder / emoji_set.PACKED, **{**arrays, **changed})  # type: ignore[arg-type]
    return folder


def test_a_clone_a_zip_and_the_packed_file_are_one_set(tmp_path: Path) -> None:
    clone = repository(tmp_path / "clone")
    (tmp_path / "zip").mkdir()
    with zipfile.ZipFile(tmp_path / "zip" / "any.zip", "w") as archive:
        for file in sorted(clone.rglob("*.png")):
            archive.write(file, file.relative_to(clone))
    found = []
    for place in (clone, tmp_path / "zip", packed_emoji(tmp_path / "packed")):
        Emoji().get(tmp_path / "got" / place.name, place, quiet)
        found.append(Emoji().read(tmp_path / "got" / place.name, VIEW))
    blended = glyphs().astype(float)
    blended = blended[..., :3] * blended[..., 3:] / 255 + 255 - blended[..., 3:]
    for data in found:
        assert data.checksum == found[0].checksum
        assert len(data.train) + len(data.test) == 72
        everything = np.concatenate([data.train, data.test]).astype(float)
        apart = np.abs(everything[:, None, ::8, ::8] - blended[None, :, ::8, ::8]).max((2, 3, 4)).min(1)
        assert apart.max() <= 0.5  # each is one of the glyphs on white, rounded
    assert found[2].train_labels is not None


def test_skin_tones_and_equal_pictures_stay_together() -> None:
    pictures = np.random.default_rng(1).integers(0, 256, (len(names()), 4, 4, 3), dtype=np.uint8)
    pictures[1] = pictures[30]  # a tone of the first glyph looks like another glyph
    digests = [digest(picture) for picture in pictures]
    alone = held_out(names()[20:], digests[20:])
    for held, held_alone in zip(held_out(names(), digests), alone, strict=True):
        assert 0 < held.sum() < 36
        sides: dict[str, set[bool]] = {}
        for name, side in zip(names(), held, strict=True):
            sides.setdefault(base_glyph(name), set()).add(bool(side))
        assert all(len(side) == 1 for side in sides.values())
        assert held[1] == held[30]
        moved = (held_alone != held[20:]).sum()
        assert moved <= 4  # others stay where they are, except relatives of what is gone


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("emoji_u1f44b_1f3fb.png", "1f44b"),
        ("1f44b-1f3ff.png", "1f44b"),
        ("emoji_u2764_fe0f.png", "2764"),
        ("1F1E6-1F1E8.png", "1f1e6-1f1e8"),
        ("1f3fb.png", "1f3fb"),  # the tone itself
    ],
)
def test_the_base_glyph_is_what_stays_without_tone_and_selector(name: str, base: str) -> None:
    assert base_glyph(name) == base


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"images": glyphs()[..., :3]}, r"images \[72, 32, 32, 3\] and 72 files; expected \[N, S, S, 4\] and N"),
        ({"files": np.array(["smile.png"] * 72)}, "smile.png: an emoji's file is named by its code points"),
        ({"category": np.zeros(5, np.uint8)}, "different numbers of rows"),
        ({"images": glyphs().astype(np.int16)}, 'array "images" is int16'),
    ],
)
def test_packed_emoji_of_another_make_are_refused(tmp_path: Path, changed: dict[str, np.ndarray], says: str) -> None:
    packed_emoji(tmp_path / "mine", **changed)
    few = Emoji()
    with pytest.raises(ValueError, match=says):
        few.get(tmp_path / "got", tmp_path / "mine", quiet)
    assert not (tmp_path / "got").exists()


def test_emoji_that_are_too_few_damaged_or_of_mixed_sizes_are_refused(tmp_path: Path) -> None:
    place = repository(tmp_path / "clone") / "png" / "128"
    taken = {file: file.read_bytes() for file in sorted(place.glob("emoji*.png"))[:10]}
    for file in taken:
        file.unlink()
    with pytest.raises(ValueError, match=r"62 PNG files named by code points .*; expected at least 64"):
        Emoji().get(tmp_path / "got", tmp_path / "clone", quiet)
    for file, content in taken.items():
        file.write_bytes(content)
    Image.new("RGBA", (48, 32)).save(place / "emoji_u1f700.png")
    with pytest.raises(ValueError, match=r"2 different sizes; most are 32×32, but .*emoji_u1f700.png is 48×32"):
        Emoji().get(tmp_path / "got", tmp_path / "clone", quiet)
    (place / "emoji_u1f700.png").write_text("a letter")
    with pytest.raises(ValueError, match=r"1 of 73 pictures cannot be used: .*emoji_u1f700.png is not a readable pic"):
        Emoji().get(tmp_path / "got", tmp_path / "clone", quiet)
    with pytest.raises(ValueError, match="there is no official download of the pictures alone"):
        Emoji().get(tmp_path / "got", None, quiet)
    assert not (tmp_path / "got").exists()


def some_faces(count: int = 100) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)


def packed_faces(folder: Path, images: np.ndarray) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / faces_set.PACKED, images=images)
    return folder


def test_faces_are_held_out_by_hash_and_repeats_stay_together(tmp_path: Path) -> None:
    images = some_faces()
    packed_faces(tmp_path / "mine", np.concatenate([images, images[:50]]))
    Faces().get(tmp_path / "got", tmp_path / "mine", quiet)
    data = Faces().read(tmp_path / "got", View(64, 64, True))
    assert len(data.train) + len(data.test) == 150
    assert 15 <= len(data.test) <= 85  # a third
    train, test = (set(map(bytes, side)) for side in (data.train, data.test))
    assert not train & test
    assert train | test == set(map(bytes, images))


@pytest.mark.parametrize(
    ("images", "says"),
    [
        (some_faces(63), r"images are \[63, 64, 64, 3\]; .*N ≥ 64"),
        (some_faces()[..., :1], r"images are \[100, 64, 64, 1\]; expected \[N, S, S, 3\]"),
        (some_faces()[0], "is uint8 with 3 axes; expected uint8 with 4"),
    ],
)
def test_faces_of_another_make_are_refused(tmp_path: Path, images: np.ndarray, says: str) -> None:
    packed_faces(tmp_path / "mine", images)
    with pytest.raises(ValueError, match=says):
        Faces().get(tmp_path / "got", tmp_path / "mine", quiet)
    assert not (tmp_path / "got").exists()


def test_a_truncated_packed_file_is_a_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SPIRAL_DATA", str(tmp_path / "data"))
    packed_faces(tmp_path / "faces", some_faces())
    packed_emoji(tmp_path / "emoji")
    for name in ("faces", "emoji"):
        (file,) = (tmp_path / name).iterdir()
        file.write_bytes(file.read_bytes()[:-300])
        assert main(["data", "get", name, "--from", str(tmp_path / name)]) == 2
        said = capsys.readouterr().err
        assert f"{file.name}: not the expected npz" in said
        assert said.count("\n") == 1
    assert not list((tmp_path / "data").rglob("*.np*"))


def test_generating_faces_needs_the_extra_or_gives_the_same_faces_again(tmp_path: Path) -> None:
    if importlib.util.find_spec("dicebear") is None or importlib.util.find_spec("resvg_py") is None:
        with pytest.raises(ValueError, match=r"not here \(.*\): " + re.escape(to_install("faces"))):
            Faces(count=64).get(tmp_path, None, quiet)
        assert list(tmp_path.iterdir()) == []
        return
    calls: list[tuple[str, int, int | None]] = []
    Faces(count=64).get(tmp_path / "one", None, lambda *call: calls.append(call))
    Faces(count=64).get(tmp_path / "two", None, quiet)
    one, two = (Faces().read(tmp_path / place, VIEW) for place in ("one", "two"))
    assert one.checksum == two.checksum
    assert calls[-1][1] == calls[-1][2]
    before = (tmp_path / "one" / faces_set.PACKED).stat().st_mtime_ns
    Faces(count=64).get(tmp_path / "one", None, quiet)
    assert (tmp_path / "one" / faces_set.PACKED).stat().st_mtime_ns == before


@pytest.mark.parametrize(("name", "train", "test"), [("emoji", 3_011, 775), ("faces", 4_048, 1_952)])
def test_the_real_sets_are_split_as_they_say(name: str, train: int, test: int) -> None:
    if not (DATA / name).is_dir():
        pytest.skip(f"{name} is not here: set SPIRAL_DATA to a folder with {name}/ in it")
    data = load(name, 64, colour=True, root=DATA)
    assert (len(data.train), len(data.test)) == (train, test)
    assert not set(map(bytes, data.train)) & set(map(bytes, data.test))
    assert load(name, 32, colour=False, root=DATA).checksum == data.checksum
