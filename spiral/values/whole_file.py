"""Writing a file as a whole: a reader never meets half of it, and one that fails leaves what was there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give the path of a hidden file beside ``path`` to write to; it takes the place of ``path`` when the block ends,
    and is on the disk by then.

    Where the block raises, it is removed and ``path`` stays as it was.
    """
    aside = path.with_name(f".{path.name}.part")
    try:
        yield aside
        with aside.open("rb") as file:
            os.fsync(file.fileno())  # else a crash may leave the new name with nothing in it
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
