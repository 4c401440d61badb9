"""Whether a run has pictures to learn from, asked before anything is started, and whether they are those of before."""

from __future__ import annotations

from spiral import datasets
from spiral.configuration.paths import PREFIX
from spiral.configuration.schema import RunConfig
from spiral.datasets import DatasetMissingError
from spiral.runs import dataset_record
from spiral.runs.directory import Run


def check_data(config: RunConfig, observation_shape: tuple[int, int, int]) -> tuple[str, ...]:
    """What the user should know of the data set, which the engine shows in such a shape (H, W, C); a sentence each.

    ValueError if it is not on this machine, or where pictures of the user's own can't be used. Those are read whole:
    what can be wrong with them is in the pictures. A set with a name was verified when it came.
    """
    if not config.data.startswith(PREFIX):
        datasets.require(config.data)
        return ()
    height, width, channels = observation_shape
    held_out = config.hold_out_validation
    found = datasets.load(config.data, (height, width), colour=channels == 3, hold_out_validation=held_out)
    return (f"{found.name}: {found.sizes}", *found.notes)


def find_data(config: RunConfig) -> None:
    """ValueError if the pictures of a run that goes on are not there; the discriminator compares what is in them."""
    try:
        datasets.require(config.data)
    except DatasetMissingError as error:
        moved = f"; if they were moved, say where with --set data={PREFIX}PATH"
        raise ValueError(f"data: {error}{moved if config.data.startswith(PREFIX) else ''}") from error


class DataNews:
    """What the discriminator stores of a change in the data; the user is told once."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._known = len(self._changes())

    def read(self) -> list[str]:
        """The sentences since the last call."""
        changes = self._changes()
        known, self._known = self._known, len(changes)
        return changes[known:]

    def _changes(self) -> list[str]:
        stored = dataset_record.read(self._run)
        return [] if stored is None else [earlier.change for earlier in stored.before]
