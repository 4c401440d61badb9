"""Finds the newest whole checkpoint, whatever its tensors are read with; needs no torch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from spiral.runs.manifests import CHECKPOINT_NAME, checkpoints_in, read_verified

log = logging.getLogger(__name__)

Content = TypeVar("Content")


class CheckpointError(RuntimeError):
    """A checkpoint can't be written or read; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Found(Generic[Content]):
    """A whole checkpoint that was read."""

    path: Path
    content: Content
    skipped: tuple[str, ...]
    """What is wrong with each newer one, one sentence each; empty: this is the newest."""


def read_newest(
    directory: Path,
    parse: Callable[[Mapping[str, bytes]], Content],
    damaged: Callable[[Path], None] = lambda path: None,
) -> Found[Content] | None:
    """The newest whole checkpoint in ``directory``; None if there is no checkpoint or no such directory.

    ``parse`` gets its files by name and raises ValueError, KeyError or AttributeError if they are not what was
    written. ``damaged`` is called for each newer one that is not whole. CheckpointError if none is whole.
    """
    skipped: list[str] = []
    for path in directory.iterdir() if directory.is_dir() else ():
        if CHECKPOINT_NAME.fullmatch(path.name) and not path.is_dir():
            log.warning("%s is not a folder, so it is not a checkpoint; it is left alone", path)
    for path in reversed(checkpoints_in(directory) if directory.is_dir() else []):
        try:
            content = parse(read_verified(path))
        except (OSError, ValueError, KeyError, AttributeError) as error:
            skipped.append(f"{path.name} is damaged: {error}")
            damaged(path)
            log.warning("checkpoint %s is damaged, falling back to the one before: %s", path, error)
            continue
        return Found(path, content, tuple(skipped))
    if skipped:
        raise CheckpointError(
            f"checkpoints: none of those in {directory} can be used ({'; '.join(skipped)}); "
            "restore one from a copy, or begin again without them"
        )
    return None
