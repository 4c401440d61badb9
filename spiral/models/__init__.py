"""Trained models: a policy's averaged weights, the configuration that it learned with, and a card that describes it.

A model is a folder with ``policy.safetensors``, ``config.yaml``, ``card.yaml`` and ``samples.png``. The models that
ship with the package are here, one folder each; ``spiral models export`` makes one from any run. Further training also
needs ``discriminator.safetensors`` (float16, 0.1 MB): an untrained discriminator would spoil a good policy. In a
checkout it is beside the policy; the wheel and the images leave it out, because painting does not need it. Without it a
new discriminator first learns alone for 300 batches.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from spiral.values.validation import sentence

POLICY, CONFIG, CARD, SAMPLES = "policy.safetensors", "config.yaml", "card.yaml", "samples.png"
DISCRIMINATOR = "discriminator.safetensors"


class DataSet(BaseModel):
    """Pictures that a model has learned from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    """Name of the data set; for a folder only its own name, because its path is private."""
    pictures: int = Field(ge=0)
    """Number of pictures in all splits."""
    validation: int = Field(0, ge=0)
    """Number of pictures held out for validation; 0: the model has learned from the whole training set."""
    sha256: str
    """SHA-256 of the pictures' content, hex, as printed by `spiral data check`."""


class Card(BaseModel):
    """A description of a model, and of its limits."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    summary: str
    """One sentence."""
    method: str
    """The method, and how it differs from the paper's."""
    data: str
    """What it learned from, and the license of that data."""
    data_sets: tuple[DataSet, ...] = ()
    """The same for programs, oldest first: the sets of the model that it began with, and each set before a change."""
    preset: str
    """The preset given to `spiral train`; config.yaml has every setting."""
    frames: int = Field(ge=0)
    """Learned frames."""
    hours: float = Field(ge=0)
    """Training time in hours."""
    machine: str
    """The machine that it was trained on."""
    scores: dict[str, float]
    """Its figures, by name."""
    limits: str
    """What not to expect of it."""


def bundled_models() -> dict[str, Path]:
    """Folders of the models that ship with the package, by name."""
    here = Path(str(resources.files("spiral.models")))
    return {path.name: path for path in sorted(here.iterdir()) if (path / CARD).is_file()}


def find_model(name: str) -> Path:
    """The folder of a model: of a bundled one, by name, or any folder that holds one.

    Raises ValueError that lists the bundled models.
    """
    shipped = bundled_models()
    if name in shipped:
        return shipped[name]
    folder = Path(name)
    if (folder / CARD).is_file():
        return folder
    known = ", ".join(shipped) or "none"
    raise ValueError(f'model: "{name}" is neither a model that ships ({known}) nor a folder with a {CARD}')


def find_discriminator(folder: Path) -> Path | None:
    """The discriminator of the model in ``folder``; None if it came without one."""
    found = folder / DISCRIMINATOR
    return found if found.is_file() else None


def read_policy(folder: Path) -> bytes:
    """The policy's safetensors file of the model in ``folder``; ValueError if it can't be read."""
    try:
        return (folder / POLICY).read_bytes()
    except OSError as error:
        raise ValueError(f"model: {folder / POLICY} can't be read: {error.strerror}") from error


def check_weights(file: Path) -> None:
    """Raise ValueError with a sentence if a file holds no weights, or weights that are not finite; needs no torch."""
    import numpy as np  # noqa: PLC0415
    from safetensors import SafetensorError  # noqa: PLC0415
    from safetensors.numpy import load_file  # noqa: PLC0415

    try:
        tensors = load_file(file)
    except (OSError, SafetensorError) as error:
        raise ValueError(f"model: {file} can't be read: {error}") from error
    wrong = [name for name, values in tensors.items() if not np.isfinite(values).all()]
    if wrong:
        raise ValueError(
            f'model: "{wrong[0]}" in {file} holds values that are not finite; use a model from before that'
        )


def read_card(folder: Path) -> Card:
    """The card of a model's folder; errors as for :func:`read_card_file`."""
    return read_card_file(folder / CARD)


def read_card_file(path: Path) -> Card:
    """A card; ValueError with a sentence if it is damaged."""
    try:
        return Card.model_validate(yaml.safe_load(path.read_text()))
    except ValidationError as error:
        raise ValueError(f"{path}: {sentence(error)}") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"{path}: can't be read: {error}") from error
