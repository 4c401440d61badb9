"""3D scenes of objects on a table, made from a seed: one small npz with their objects, drawn when it is read.

The packed file, `scenes.npz`, has `objects` uint8 [N, most, A], `counts` uint8 [N] and `made`, the numbers it was made
from. Training scenes come first, then those for validation, then those for testing; no two are alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from spiral.datasets import download, views
from spiral.datasets.arrays import read_arrays
from spiral.datasets.dataset import Dataset, Pictures, Progress, View
from spiral.datasets.prepared import Cache, collect
from spiral.datasets.reading import Chunk, PictureReader, rows_of_a_chunk, state_of
from spiral.datasets.splits import Split
from spiral.engines import create
from spiral.engines.objects import ObjectEngine, Objects
from spiral.values.atomic_file import atomic_write

PACKED = "scenes.npz"
SIDE = 64
"""Of the canvas that they are drawn on, pixels; a larger view has a canvas of its own size."""


@dataclass(frozen=True, slots=True)
class Scenes:
    """The sources `scenes` and `scenes-1`; the numbers of objects and of scenes are arguments."""

    name: str = "scenes"
    fewest: int = 1
    most: int = 5
    train: int = 50_000
    held_out: int = 1_000
    """Scenes for validation, and as many for testing."""
    seed: int = 0
    origin: str = "objects on a table, drawn by the engine scenes of this package; generated"
    licence: str = "Apache-2.0, as this package"

    @property
    def how_to_get(self) -> str:
        """The command that makes it."""
        return f"spiral data get {self.name} (generates it in seconds)"

    def seeded(self, seed: int) -> Scenes:
        """The same set from another seed."""
        return replace(self, seed=seed)

    def missing(self, folder: Path) -> str | None:
        """Report if the packed file is not there."""
        return None if (folder / PACKED).is_file() else f"{PACKED} is missing"

    def read(
        self, folder: Path, view: View, cache: Cache | None = None, *, hold_out_validation: bool = False
    ) -> Dataset:
        """Draw the scenes of the packed file in the size of the view."""
        file = folder / PACKED
        scenes, engine = self._scenes(file), _engine(max(SIDE, view.height, view.width))
        number = np.arange(len(scenes.counts))
        test = number >= len(number) - self.held_out
        validation = ~test & (number >= len(number) - 2 * self.held_out)

        def chunks() -> Iterator[Chunk]:
            step = min(1024, rows_of_a_chunk(view))
            for start in range(0, len(number), step):
                rows = slice(start, start + step)
                yield Chunk(
                    _drawn(engine, scenes.take(rows), view, file),
                    test[rows],
                    validation[rows],
                    None,
                    [
                        hashlib.sha256(engine.version.encode() + objects[:count].tobytes()).digest()
                        for objects, count in zip(*scenes.take(rows), strict=True)
                    ],
                )

        mark = f"{engine.version} {state_of(file)}"
        reader = PictureReader(self.name, self.origin, self.licence, len(number), file.stat().st_size, mark, chunks)
        return collect(reader, view, cache, hold_out_validation)

    def objects(self, folder: Path, split: Split) -> Objects:
        """What the pictures of a split show, in their order; `train` without the validation pictures."""
        scenes = self._scenes(folder / PACKED)
        end = len(scenes.counts) - self.held_out
        rows = {
            "train": slice(0, end - self.held_out),
            "validation": slice(end - self.held_out, end),
            "test": slice(end, end + self.held_out),
        }
        return scenes.take(rows[split])

    def get(self, folder: Path, from_dir: Path | None, progress: Progress) -> None:
        """Make the scenes, or bring the packed file that `from_dir` has."""
        target = folder / PACKED
        if from_dir is not None:
            if not (from_dir / PACKED).is_file():
                raise ValueError(f"{from_dir}: {PACKED} is not there; without --from the scenes are generated")
            self._scenes(from_dir / PACKED)
            download.copy(from_dir / PACKED, target, progress)
        elif not self._is_right(target):
            made = _engine(SIDE).scatter(self.train + 2 * self.held_out, self.fewest, self.most, self.seed)
            _write(target, made, self._made())
            progress(PACKED, target.stat().st_size, target.stat().st_size)

    def _made(self) -> np.ndarray:
        return np.array([self.seed, self.fewest, self.most, self.train, self.held_out])

    def _scenes(self, file: Path) -> Objects:
        arrays = read_arrays(file, {"objects": (np.uint8, 3), "counts": (np.uint8, 1)})
        objects, counts = (arrays[name].astype(np.int32) for name in ("objects", "counts"))
        if len(counts) <= 2 * self.held_out or objects.shape[1] > self.most or counts.max() > objects.shape[1]:
            raise ValueError(
                f"{file}: {len(counts)} scenes of up to {objects.shape[1]} objects; expected more than "
                f"{2 * self.held_out} of up to {self.most}"
            )
        return Objects(objects, counts)

    def _is_right(self, file: Path) -> bool:
        try:
            self._scenes(file)
            made = read_arrays(file, {"made": (np.int64, 1)})["made"]
        except ValueError:  # missing or damaged, which `get` is called to mend
            return False
        return np.array_equal(made, self._made())


def _engine(canvas: int) -> ObjectEngine:
    engine = create("scenes", {"canvas": canvas})
    assert isinstance(engine, ObjectEngine)
    return engine


def _drawn(engine: ObjectEngine, scenes: Objects, view: View, file: Path) -> Pictures:
    try:
        frames = engine.draw(*scenes)
    except ValueError as error:
        raise ValueError(f"{file}: {error}; get it again") from error
    return views.with_channels(views.fit_inside(frames, view.height, view.width), view.channels)


def _write(target: Path, scenes: Objects, made: np.ndarray) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # An open file, not its path: NumPy appends .npz to a name with another ending.
        with atomic_write(target) as aside:
            with aside.open("wb") as file:
                np.savez_compressed(
                    file, objects=scenes.attributes.astype(np.uint8), counts=scenes.counts.astype(np.uint8), made=made
                )
            download.keep_aside(target)
    except OSError as error:
        raise ValueError(f"{target}: cannot be written ({error.strerror or error})") from error
