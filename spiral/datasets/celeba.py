"""CelebA: photographs of faces, 178×218, from the user's own copy; nothing is shipped or downloaded.

It is read from `img_align_celeba`, a folder or a zip, and `list_eval_partition.txt` (a file name and 0, 1 or 2 a
line) or `list_eval_partition.csv` (the same with commas, below the line `image_id,partition`). Partition 0 is for
training, 1 for validation (left out if none is held out) and 2 for testing, as its authors specify; no person is in
two of them. The center of 160×160 pixels (x 9…169, y 29…189) holds the face.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from spiral.datasets import download, views
from spiral.datasets.dataset import Dataset, Pictures, Progress, View
from spiral.datasets.decoded import decoded
from spiral.datasets.decoding import SUFFIXES, decode
from spiral.datasets.prepared import Cache, collect
from spiral.datasets.reading import Chunk, PictureReader, state_of
from spiral.datasets.trees import Tree, is_tree, open_tree, pack

IMAGES = "img_align_celeba"
SPLITS = ("list_eval_partition.txt", "list_eval_partition.csv")
"""The split file as its authors publish it, and as other copies contain it."""
_NEEDED = f"{IMAGES} (a folder or a zip) and {' or '.join(SPLITS)}"
WIDTH, HEIGHT = 178, 218
LEFT, TOP, SIDE = 9, 29, 160
TRAIN, VALIDATION, TEST = 0, 1, 2
FEWEST_PICTURES = 64
# In which copies come: several files in one, or of a kind that is not read.
_ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".tgz", ".tar.gz")


@dataclass(frozen=True, slots=True)
class CelebA:
    """The source `celeba`."""

    name: str = "celeba"
    origin: str = "CelebFaces Attributes, Liu, Luo, Wang and Tang, mmlab.ie.cuhk.edu.hk/projects/CelebA.html"
    licence: str = "for non-commercial research only, by its authors' agreement; get and keep your own copy"
    how_to_get: str = f"spiral data get celeba --from DIR (a folder with {IMAGES}.zip and {SPLITS[0]})"

    def missing(self, folder: Path) -> str | None:
        """Name what is missing: the pictures or the split."""
        if _find(folder) is None:
            return f"{IMAGES} (a folder or a zip) is missing{_unread(folder)}"
        return f"{' or '.join(SPLITS)} is missing" if _find_split(folder) is None else None

    def read(
        self, folder: Path, view: View, cache: Cache | None = None, *, hold_out_validation: bool = False
    ) -> Dataset:
        """Read the pictures of partitions 0 and 2, and of 1 for validation, cut about the face."""
        found, split = _find(folder), _find_split(folder)
        if found is None or split is None:
            raise ValueError(f"{folder}: {self.missing(folder)}")
        reader = self._reading(open_tree(found, SUFFIXES), split, view, hold_out_validation)
        return collect(reader, view, cache, hold_out_validation)

    def get(self, folder: Path, from_dir: Path | None, progress: Progress) -> None:
        """Bring the user's own copy: the zip as it is, a folder's pictures as one zip, and the split file."""
        if from_dir is None:
            raise ValueError(
                f"celeba is not downloaded: it is {self.licence}. Its page is {self.origin.rsplit(', ', 1)[1]}; "
                f"put {IMAGES}.zip and {SPLITS[0]} into one folder and give it: spiral data get celeba --from DIR"
            )
        found, split = _find(from_dir), _find_split(from_dir)
        if found is None or split is None:
            raise ValueError(f"{from_dir}: files are missing; expected {_NEEDED}{_unread(from_dir)}")
        tree = open_tree(found, SUFFIXES)
        names, _ = _chosen(tree, split, False)
        _face(decode(tree.read(names[0]), names[0]), names[0], View(64, 64, True))
        if found.is_dir():
            pack(tree, tree.names, folder / f"{IMAGES}.zip", progress)
        else:
            download.copy(found, folder / f"{IMAGES}.zip", progress)
        download.copy(split, folder / split.name, progress)

    def _reading(self, tree: Tree, split: Path, view: View, hold_out_validation: bool) -> PictureReader:
        names, partitions = _chosen(tree, split, hold_out_validation)

        def chunks() -> Iterator[Chunk]:
            for pictures, digests, some in decoded(tree, names, view, lambda face: _face(face, tree.path.name, view)):
                partition = np.array([partitions[name] for name in some])
                yield Chunk(pictures, partition == TEST, partition == VALIDATION, None, digests)

        return PictureReader(
            self.name,
            self.origin,
            self.licence,
            len(names),
            tree.total_bytes,
            f"{tree.fingerprint} {state_of(split)}",
            chunks,
        )


def _find(folder: Path) -> Path | None:
    return next((path for path in (folder / f"{IMAGES}.zip", folder / IMAGES) if is_tree(path)), None)


def _find_split(folder: Path) -> Path | None:
    return next((path for name in SPLITS if (path := folder / name).is_file()), None)


def _unread(folder: Path) -> str:
    """Words about other archives in the folder; empty if there are none."""
    there = {path.name for suffix in _ARCHIVES for path in folder.glob(f"*{suffix}")} - {f"{IMAGES}.zip"}
    return f"; unpack {', '.join(sorted(there)[:3])} first" if there else ""


def _chosen(tree: Tree, split: Path, hold_out_validation: bool) -> tuple[tuple[str, ...], dict[str, int]]:
    """The names of the pictures that are used, and the partition of each; every picture has one."""
    partitions = _partitions(split)
    of_name: dict[str, int] = {}
    for name in tree.names:
        partition = partitions.get(PurePosixPath(name).name)
        if partition is None:
            raise ValueError(
                f"{split}: {PurePosixPath(name).name} of {tree.path.name} has no line; each picture has one"
            )
        if partition != VALIDATION or hold_out_validation:
            of_name[name] = partition
    sides = [sum(partition == side for partition in of_name.values()) for side in (TRAIN, TEST)]
    if len(of_name) < FEWEST_PICTURES or not min(sides):
        raise ValueError(
            f"{tree.path}: {sides[0]} pictures for training and {sides[1]} for testing by {split.name}; "
            f"expected at least {FEWEST_PICTURES} in all and 1 of each"
        )
    return tuple(of_name), of_name


def _partitions(split: Path) -> dict[str, int]:
    try:
        lines = split.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{split}: cannot be read ({error})") from error
    comma = split.suffix == ".csv"
    partitions = {}
    for number, line in enumerate(lines, 1):
        fields = [field.strip(' "') for field in line.split(",")] if comma else line.split()
        if not line.strip() or (comma and number == 1 and fields == ["image_id", "partition"]):
            continue
        if len(fields) != 2 or fields[1] not in {"0", "1", "2"}:
            right = "000001.jpg,0" if comma else "000001.jpg 0"
            raise ValueError(f'{split}: line {number} is "{line[:60]}"; expected "{right}" (0, 1 or 2)')
        partitions[fields[0]] = int(fields[1])
    return partitions


def _face(picture: Pictures, name: str, view: View) -> Pictures:
    """Crop one picture, uint8 [1, 218, 178, C] or [218, 178, C], to its face and convert it to the view."""
    whole = picture if picture.ndim == 4 else picture[np.newaxis]
    if whole.shape[1:3] != (HEIGHT, WIDTH):
        raise ValueError(
            f"{name}: a picture is {whole.shape[2]}×{whole.shape[1]}; the aligned ones are {WIDTH}×{HEIGHT}"
        )
    face = views.with_channels(whole[:, TOP : TOP + SIDE, LEFT : LEFT + SIDE], view.channels)
    return views.crop_to_cover(face, view.height, view.width)
