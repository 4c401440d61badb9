"""Data sets: one interface over every source of pictures.

data = load("mnist", 32, colour=False)
batch = data.train[rng.integers(len(data.train), size=64)]
"""

from spiral.datasets.dataset import Dataset, DatasetMissingError, Progress, View
from spiral.datasets.registry import Entry, catalogue, check, data_root, get, load, require

__all__ = [
    "Dataset",
    "DatasetMissingError",
    "Entry",
    "Progress",
    "View",
    "catalogue",
    "check",
    "data_root",
    "get",
    "load",
    "require",
]
