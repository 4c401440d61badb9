"""What a source of a data set must be able to do."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol, Self, runtime_checkable

from spiral.datasets.dataset import Dataset, Progress, View
from spiral.datasets.prepared import Cache
from spiral.datasets.splits import Split
from spiral.engines.objects import Objects


class Source(Protocol):
    """Where a data set comes from; docs/recipes/data-set.md says how to add one.

    `folder` is the set's own folder in the data root; an embedded set ignores it. A subclass that needs no files has to
    say its name, origin and license and to `read`.
    """

    @property
    def name(self) -> str:
        """The name a user types."""
        ...

    @property
    def origin(self) -> str:
        """Who made it and where it is from, in one line."""
        ...

    @property
    def licence(self) -> str:
        """Its license, in one line."""
        ...

    @property
    def how_to_get(self) -> str:
        """The command that gets it; empty where there is nothing to get."""
        return ""

    def missing(self, folder: Path) -> str | None:
        """Say what is not there, in a few words, or None if every file is there; contents are not read."""
        return None

    def read(
        self, folder: Path, view: View, cache: Cache | None = None, *, hold_out_validation: bool = False
    ) -> Dataset:
        """Read and verify the files; pictures come in the size and channels of `view`. Damaged: ValueError.

        With `hold_out_validation` the training pictures come as two splits. What is too large for memory is prepared in
        `cache` and mapped; without one, everything is read into memory.
        """
        ...

    def get(self, folder: Path, from_dir: Path | None, progress: Progress) -> None:
        """Put the files there, from a directory or from the official addresses, verified. Failing: ValueError."""
        raise ValueError(f"{self.name}: there is nothing to get")


@runtime_checkable
class SceneSource(Source, Protocol):
    """A source that is generated, and knows what its pictures show."""

    def seeded(self, seed: int) -> Self:
        """The same set, generated from another seed."""
        ...

    def objects(self, folder: Path, split: Split) -> Objects:
        """The objects that the pictures of a split show, in their order; `train` without the validation pictures."""
        ...
