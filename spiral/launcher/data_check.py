"""Checks, before anything is started, that a run has pictures to learn from and that they are the same as before."""

from __future__ import annotations

from spiral import datasets
from spiral.configuration.paths import PREFIX
from spiral.configuration.schema import RunConfig
from spiral.datasets import DatasetMissingError
from spiral.runs import dataset_record
from spiral.runs.directory import Run


def check_data(config: RunConfig, observation_shape: tuple[int, int, int]) -> tuple[str, ...]:
    """What the user should know about the data set, one sentence each; the engine shows pictures in this shape.

    ValueError if the set is not on this machine or the user's own pictures can't be used. The user's own pictures are
    all read, because any of them may be bad. A named set was verified when it was fetched.
    """
    if not config.data.startswith(PREFIX):
        datasets.require(config.data)
        return ()
    height, width, channels = observation_shape
    held_out = config.hold_out_validation
    found = datasets.load(config.data, (height, width), colour=channels == 3, hold_out_validation=held_out)
    return (f"{found.name}: {found.sizes}", *found.notes)


def find_data(config: RunConfig) -> None:
    """Raise ValueError if a resumed run's pictures are missing; the discriminator compares their contents."""
    try:
        datasets.require(config.data)
    except DatasetMissingError as error:
        moved = f"; if they were moved, say where with --set data={PREFIX}PATH"
        raise ValueError(f"data: {error}{moved if config.data.startswith(PREFIX) else ''}") from error


class DataNews:
    """Changes in the data that the discriminator has recorded; each is told once."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._known = len(self._changes())

    def read(self) -> list[str]:
        """The new sentences since the last call."""
        changes = self._changes()
        known, self._known = self._known, len(changes)
        return changes[known:]

    def _changes(self) -> list[str]:
        stored = dataset_record.read(self._run)
        return [] if stored is None else [earlier.change for earlier in stored.before]
