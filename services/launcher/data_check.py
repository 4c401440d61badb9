"""Whether a new run has pictures to learn from, asked before anything of it is made."""

from __future__ import annotations

from spiral import datasets
from spiral.config import RunConfig
from spiral.datasets.folder import PREFIX
from spiral.engines import create


def check_data(config: RunConfig) -> tuple[str, ...]:
    """What the user should know of the data set, a sentence each.

    ValueError where it is not on this machine, or where pictures of the user's own can't be used. Those are read whole:
    what can be wrong with them is in the pictures. A set with a name was verified when it came.
    """
    if not config.data.startswith(PREFIX):
        datasets.require(config.data)
        return ()
    height, width, channels = create(config.engine.name, config.engine.settings).observation_shape
    found = datasets.load(config.data, (height, width), colour=channels == 3)
    return (f"{found.name}: {len(found.train):,} training and {len(found.test):,} test pictures", *found.notes)
