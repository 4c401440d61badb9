"""Writes a file as a whole: a reader never sees half of it, and a failure leaves the old file."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a hidden, empty file beside ``path`` to write to. When the block ends, it is on the disk and replaces
    ``path``.

    If the block raises, it is removed and ``path`` stays as it was. Its name is new: no file is overwritten.
    """
    aside = path.with_name(f".{secrets.token_hex(8)}.part")
    # tempfile is not used, because only the owner can read its files.
    os.close(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield aside
        with aside.open("rb") as file:
            os.fsync(file.fileno())  # otherwise a crash may leave an empty file under the new name
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
