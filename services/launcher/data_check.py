"""Whether a new run has pictures to learn from, asked before anything of it is made."""

from __future__ import annotations

from spiral import datasets
from spiral.config import RunConfig
from spiral.datasets.folder import PREFIX
from spiral.engines import create


def check_data(config: RunConfig) -> None:
    """ValueError where the data set is not on this machine, or where pictures of the user's own can't be used.

    Those are read whole: what can be wrong with them is in the pictures. A set with a name was verified when it came.
    """
    if not config.data.startswith(PREFIX):
        datasets.require(config.data)
        return
    height, width, channels = create(config.engine.name, config.engine.settings).observation_shape
    datasets.load(config.data, (height, width), colour=channels == 3)
