"""Sets larger than memory: a view is prepared once, chunk by chunk, and mapped; what is torn is made anew."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from spiral.datasets import View, reading
from spiral.datasets.dataset import Dataset
from spiral.datasets.folder import Folder
from spiral.datasets.prepared import Cache, collect
from spiral.datasets.quickdraw import QuickDraw
from spiral.datasets.reading import Chunk, PictureReader, digest
from tests.unit.datasets.test_folder import fill

VIEW = View(16, 16, False)
COUNT = 300


def drawings(folder: Path, count: int = COUNT) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "cat.npy", np.random.default_rng(0).integers(0, 256, (count, 784), dtype=np.uint8))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return drawings(tmp_path / "quickdraw")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    """Nothing is small enough for memory."""
    return Cache((tmp_path / "prepared",), in_memory_bytes=0)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_CHUNK_BYTES", 40 * 16 * 16)


def same(one: Dataset, other: Dataset) -> None:
    np.testing.assert_array_equal(one.train, other.train)
    np.testing.assert_array_equal(one.test, other.test)
    np.testing.assert_array_equal(one.train_labels, other.train_labels)
    np.testing.assert_array_equal(one.test_labels, other.test_labels)
    assert one.checksum == other.checksum


def prepared(cache: Cache) -> list[Path]:
    return [path for path in cache.folders[0].iterdir() if path.is_dir()]


def test_a_mapped_set_is_the_one_in_memory_and_is_prepared_once(folder: Path, cache: Cache) -> None:
    mapped = QuickDraw().read(folder, VIEW, cache)
    same(mapped, QuickDraw().read(folder, VIEW))
    assert not mapped.train.flags.writeable  # it lies in a file
    assert mapped.train.flags.c_contiguous
    (place,) = prepared(cache)
    before = (place / "train.npy").stat().st_mtime_ns
    same(QuickDraw().read(folder, VIEW, cache), mapped)
    assert (place / "train.npy").stat().st_mtime_ns == before
    assert not list(cache.folders[0].glob("*.part"))


def test_another_view_or_other_files_are_another_preparation(folder: Path, cache: Cache) -> None:
    QuickDraw().read(folder, VIEW, cache)
    QuickDraw().read(folder, View(16, 16, True), cache)
    assert len(prepared(cache)) == 2
    drawings(folder, COUNT + 1)
    more = QuickDraw().read(folder, VIEW, cache)
    assert len(more.train) + len(more.test) == COUNT + 1
    assert len(prepared(cache)) == 3


@pytest.mark.parametrize("name", ["manifest.json", "train.npy", "test_labels.npy"])
def test_a_torn_preparation_is_made_anew(folder: Path, cache: Cache, name: str) -> None:
    whole = QuickDraw().read(folder, VIEW)
    QuickDraw().read(folder, VIEW, cache)
    (place,) = prepared(cache)
    content = (place / name).read_bytes()
    (place / name).write_bytes(content[: len(content) // 2])
    same(QuickDraw().read(folder, VIEW, cache), whole)


def test_what_a_killed_process_left_is_cleared_away(folder: Path, cache: Cache) -> None:
    QuickDraw().read(folder, VIEW, cache)
    (place,) = prepared(cache)
    aside = place.with_name(f"{place.name}.part")
    place.rename(aside)
    same(QuickDraw().read(folder, VIEW, cache), QuickDraw().read(folder, VIEW))
    assert not aside.exists()


def test_damage_found_while_preparing_leaves_no_preparation(tmp_path: Path, cache: Cache) -> None:
    pictures = fill(tmp_path / "pictures", 40)
    (pictures / "030.png").write_bytes(b"a letter")
    with pytest.raises(ValueError, match=r"1 of 40 pictures cannot be used: 030.png"):
        Folder(pictures).read(tmp_path, VIEW, cache)
    assert prepared(cache) == []
    (pictures / "030.png").unlink()
    same_set = Folder(pictures).read(tmp_path, VIEW, cache)
    assert len(same_set.train) + len(same_set.test) == 39


def test_it_goes_where_there_is_room(folder: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.mkdir(mode=0o555)
    open_ = tmp_path / "open"
    QuickDraw().read(folder, VIEW, Cache((blocked, open_), in_memory_bytes=0))
    assert len(list(open_.iterdir())) == 2  # the view and its lock
    with pytest.raises(ValueError, match=r"no room for its prepared pictures \(.*blocked: read-only\); .*SPIRAL_CACHE"):
        QuickDraw().read(folder, VIEW, Cache((blocked,), in_memory_bytes=0))


def test_a_full_disk_is_said_with_numbers(folder: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=3 * 2**20))
    with pytest.raises(ValueError, match=r"3 MiB free, 64 MiB needed"):
        QuickDraw().read(folder, VIEW, cache)


def test_chunks_are_not_held_while_preparing(cache: Cache) -> None:
    """At each moment one chunk is there: the reading may be larger than memory."""
    alive: set[int] = set()

    def chunks() -> Iterator[Chunk]:
        for number in range(20):
            pictures = np.full((10, 16, 16, 1), number, np.uint8)
            alive.add(number)
            weakref.finalize(pictures, alive.remove, number)
            assert len(alive) <= 2  # this one, and the one that the reader is about to let go
            row = np.arange(10)
            yield Chunk(pictures, row == 0, row == 1, None, [digest(picture) for picture in pictures])

    data = collect(PictureReader("many", "", "", 200, 0, "once", chunks), VIEW, cache)
    assert len(data.train) == 180
    assert data.train[:, 0, 0, 0].tolist() == [number for number in range(20) for _ in range(9)]
