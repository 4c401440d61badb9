"""What a run needs that pods may not have: pictures on the discriminator's claim, brushes of the image, own code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from spiral.configuration.imports import imports_of
from spiral.configuration.paths import files_of, paths_of, relative_paths
from spiral.configuration.schema import RunConfig
from spiral.engines import EngineMissingError, create

CLAIM = PurePosixPath("/var/lib/spiral")
"""Where the discriminator's claim is mounted, and all that it finds of the user's own."""
DATA = CLAIM / "data"
"""Where data sets are looked for by name: ``SPIRAL_DATA`` of the manifests."""
IN_IMAGES = "mnist-sample"
IMPORTED_BY = {
    "data": "discriminator",
    "policy.network": "actor and learner",
    "discriminator.terms": "learner and discriminator",
    "learner.terms": "learner and discriminator",
    "learner.off_policy": "learner",
    "discriminator.objective": "discriminator",
}
"""The images that a part of the user's own must be installed in, by the key that names it."""


def needs(config: RunConfig) -> Iterator[str]:
    """What has to be put where before these settings are applied, a sentence each.

    ValueError with a sentence for what pods can't have at all: a path that is not theirs, an unknown brush or data set.
    """
    tree = config.model_dump()
    for key, path in relative_paths(tree).items():
        raise ValueError(f"{key}: {path} is a relative path; expected the path in the pods, for example {CLAIM}/…")
    for key, path in files_of(tree).items():
        raise ValueError(
            f"{key}: {path} is a file, and renderers have those of their image alone; expected a name, such as "
            "classic/pen (or put the file into an image of your own, and its name here)"
        )
    imported = imports_of(tree)
    if "data" not in imported:
        yield from _data(config.data, paths_of(tree).get("data"))
    for key, named in imported.items():
        where = IMPORTED_BY.get(key, "learner and discriminator")
        names = ", ".join(named) if isinstance(named, list | tuple | dict) else named
        yield f"{key}: {names} must be installed in the images of {where}; the project's own do not have it"
    try:
        create(config.engine.name, config.engine.settings)
    except EngineMissingError as error:
        yield f"engine: its settings were not checked, because it can't run here: {error}"


def _data(name: str, path: str | None) -> Iterator[str]:
    if path is not None:
        if CLAIM not in PurePosixPath(path).parents:
            raise ValueError(
                f"data: {path} is not in the pods; put the pictures on the discriminator's claim and name their path "
                f"there, for example data=folder:{DATA}/pictures (k8s/README.md, Update)"
            )
        yield f"data: the pictures have to be at {path} on the discriminator's claim (k8s/README.md, Update)"
        return
    from spiral.datasets.registry import find  # noqa: PLC0415 (NumPy and Pillow take their time)

    find(name)
    if name != IN_IMAGES:
        yield (
            f"data: {name} is not in the images; it has to be at {DATA}/{name} on the discriminator's claim "
            "(k8s/README.md, Update)"
        )
