"""Data sets: one interface over every source of pictures.

data = load("mnist", 32, colour=False)
batch = data.train[rng.integers(len(data.train), size=64)]
"""

from typing import TYPE_CHECKING, Any

from spiral.datasets.dataset import Dataset, DatasetMissingError, Progress, View

if TYPE_CHECKING:
    from spiral.datasets.registry import Entry, catalogue, check, data_root, get, load, objects, require

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
    "objects",
    "require",
]


def __getattr__(name: str) -> Any:
    # Fetched when asked for: every source of pictures takes a tenth of a second, and a single picture needs none.
    if name in __all__:
        from spiral.datasets import registry  # noqa: PLC0415

        return getattr(registry, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
