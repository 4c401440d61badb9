"""Who paints: a run or a model, in NumPy where that is possible, so that a first picture does not wait for torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from spiral.configuration.files import load_config
from spiral.extras import to_install
from spiral.models import CONFIG, in_numpy
from spiral.models.trained import Trained
from spiral.runs.directory import Run

Device = Literal["auto", "cpu", "cuda"]


def load_painter(found: Run | Path, device: Device = "auto", temperature: float = 1.0) -> Trained:
    """A run's newest checkpoint, or the model in a folder, ready to paint.

    The network ``small`` is computed in NumPy unless ``device`` is ``cuda``; every other network, and ``cuda``, takes
    torch. ValueError if there is nothing to load, it is damaged, or torch is needed and not installed.
    """
    config = load_config(str(found / CONFIG), base=found) if isinstance(found, Path) else found.config()
    if config.policy.network == "small" and device != "cuda":
        return replace(in_numpy.load(found, config), temperature=temperature)
    try:
        from spiral.computing.devices import choose_device  # noqa: PLC0415
        from spiral.models import with_torch  # noqa: PLC0415
    except ModuleNotFoundError as error:
        why = 'device: "cuda"' if device == "cuda" else f'policy.network: "{config.policy.network}"'
        raise ValueError(f"{why} needs {error.name}, which is not installed: {to_install('torch')}") from error
    return with_torch.load(found, choose_device(device), temperature)
