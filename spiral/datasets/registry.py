"""The data sets by name: load, get, check, list."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from spiral.configuration.paths import PREFIX
from spiral.datasets.celeba import CelebA
from spiral.datasets.dataset import Dataset, DatasetMissingError, Progress, View
from spiral.datasets.emoji import Emoji
from spiral.datasets.faces import Faces
from spiral.datasets.folder import Folder
from spiral.datasets.mnist import Mnist
from spiral.datasets.mnist_sample import MnistSample
from spiral.datasets.omniglot import Omniglot
from spiral.datasets.prepared import Cache
from spiral.datasets.quickdraw import QuickDraw
from spiral.datasets.scenes import Scenes
from spiral.datasets.source import SceneSource, Source
from spiral.datasets.splits import Split
from spiral.engines.objects import Objects
from spiral.values.imported import HINT, imported_class, is_path

ROOT_VARIABLE = "SPIRAL_DATA"
CACHE_VARIABLE = "SPIRAL_CACHE"


def sources() -> tuple[Source, ...]:
    """Every data set that has a name of its own; a new one is a line here and a module beside this."""
    scenes = Scenes(), Scenes("scenes-1", most=1)
    return (MnistSample(), Mnist(), Omniglot(), QuickDraw(), Emoji(), Faces(), CelebA(), *scenes)


def data_root(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the folder that holds one folder per set: $SPIRAL_DATA, or `data` in the platform's cache folder."""
    chosen = environ.get(ROOT_VARIABLE)
    return Path(os.path.expanduser(chosen)).absolute() if chosen else platformdirs.user_cache_path("spiral") / "data"


def prepared_cache(root: Path, environ: Mapping[str, str] = os.environ) -> Cache:
    """Where prepared views lie: $SPIRAL_CACHE, or `.prepared` in the data folder, or, where that is read-only, the
    platform's cache folder."""
    if chosen := environ.get(CACHE_VARIABLE):
        return Cache((Path(os.path.expanduser(chosen)).absolute(),))
    return Cache((root / ".prepared", platformdirs.user_cache_path("spiral") / "prepared"))


def find(name: str) -> Source:
    """Return the source of that name: `folder:PATH` too, and one of the user's own, `my_package.my_module:MySource`.

    Raises ValueError for an unknown name, with the closest known one, and for a source that can't be imported.
    """
    if name.startswith(PREFIX):
        if not (path := name.removeprefix(PREFIX)):
            raise ValueError(f'data: "{name}" names no directory; expected {PREFIX}PATH')
        return Folder(Path(os.path.expanduser(path)).absolute())
    if is_path(name):
        own: Source = imported_class(name, Source, "data")()
        return own
    known = {source.name: source for source in sources()}
    if name in known:
        return known[name]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}? " if close else ""
    raise ValueError(f'data: "{name}" is unknown; {hint}Known: {", ".join(known)}, {PREFIX}PATH, {HINT}')


def load(
    name: str,
    size: int | tuple[int, int],
    colour: bool = False,
    root: Path | None = None,
    *,
    hold_out_validation: bool = False,
) -> Dataset:
    """Load a data set in a view of size × size or (height, width) pixels, 3 channels if color, else 1.

    Pictures are uint8 [N, H, W, C], ink dark on white, never stretched. `root` is the data folder (`data_root()` by
    default). With `hold_out_validation` the validation pictures are a split of their own, else they are among those for
    training. A large set is prepared at its first use, once for each view, and mapped into memory. Raises
    DatasetMissingError, which names the command that gets the set, and ValueError for an unknown name, a damaged file
    or a view outside 8…1024.
    """
    height, width = (size, size) if isinstance(size, int) else size
    view = View(height, width, colour)
    source = require(name, root)
    cache = prepared_cache(data_root() if root is None else root)
    return source.read(_folder(source, root), view, cache, hold_out_validation=hold_out_validation)


def require(name: str, root: Path | None = None) -> Source:
    """The source of that name, whose files are there; nothing of them is read. Raises as `load` does."""
    source = find(name)
    folder = _folder(source, root)
    if (absent := source.missing(folder)) is not None:
        raise DatasetMissingError(_how_to_get(source, folder, absent))
    return source


def _no_progress(file: str, done_bytes: int, total_bytes: int | None) -> None:
    pass


def get(
    name: str,
    from_dir: Path | None = None,
    root: Path | None = None,
    progress: Progress = _no_progress,
    seed: int | None = None,
) -> Path:
    """Put a data set where `load` finds it, from a directory or from its official addresses; returns its folder.

    What is already there and right is left alone, what is damaged is replaced. `progress` is called with the file, the
    bytes there so far and those in all (None if the server does not say). `seed` is for generated sets. Raises
    ValueError with what failed.
    """
    source = find(name)
    if seed is not None:
        if not isinstance(source, SceneSource):
            raise ValueError(f"--seed: {name} is not generated from a seed; leave it out")
        source = source.seeded(seed)
    if from_dir is not None and not from_dir.is_dir():
        what = "this is a file" if from_dir.exists() else "no such directory"
        raise ValueError(f"{from_dir}: {what}; --from names the directory with the files of {name}")
    folder = _folder(source, root)
    source.get(folder, from_dir, progress)
    return folder


def objects(name: str, split: Split, root: Path | None = None) -> Objects | None:
    """The objects that the pictures of a split show, in their order; None where the set does not know them.

    `train` is without the validation pictures. Raises as `load` does.
    """
    source = require(name, root)
    return source.objects(_folder(source, root), split) if isinstance(source, SceneSource) else None


def check(name: str, root: Path | None = None) -> Dataset:
    """Read and verify a data set in its smallest form; returns its three splits. Raises as `load` does."""
    return load(name, 32, False, root, hold_out_validation=True)


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the catalogue; `missing` is None if the set is there, else says what is not, and `how_to_get` how to
    get it."""

    name: str
    source: str
    licence: str
    missing: str | None
    how_to_get: str

    @property
    def present(self) -> bool:
        """Whether every file of the set is there (its content is not read: that is `check`)."""
        return self.missing is None


def catalogue(root: Path | None = None) -> tuple[Entry, ...]:
    """List every named data set with its source, its license and whether it is there."""
    return tuple(
        Entry(source.name, source.origin, source.licence, source.missing(_folder(source, root)), source.how_to_get)
        for source in sources()
    )


def _folder(source: Source, root: Path | None) -> Path:
    return (data_root() if root is None else root) / source.name


def _how_to_get(source: Source, folder: Path, absent: str) -> str:
    if not source.how_to_get:
        return f"{source.name}: {absent}"
    return f"{source.name} is not in {folder}: {absent}. Get it with: {source.how_to_get}"
