"""Writing a file as a whole: a reader never meets half of it, and one that fails leaves what was there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a hidden, empty file beside ``path`` to write to; it takes the place of ``path`` when the block ends, and is
    on the disk by then.

    Where the block raises, it is removed and ``path`` stays as it was. Its name is new: no file is overwritten.
    """
    aside = path.with_name(f".{secrets.token_hex(8)}.part")
    # Not by tempfile, whose files only their owner may read.
    os.close(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield aside
        with aside.open("rb") as file:
            os.fsync(file.fileno())  # else a crash may leave the new name with nothing in it
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
