"""The choice of a device."""

from __future__ import annotations

import torch


def choose_device(wanted: str) -> torch.device:
    """``auto``, ``cpu`` or ``cuda`` → a device; ValueError if cuda is asked for but absent."""
    available = torch.cuda.is_available()
    if wanted == "cuda" and not available:
        built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "a build without CUDA"
        raise ValueError(f'device: "cuda" is not here: PyTorch {torch.__version__} ({built}) sees no GPU; use "cpu"')
    return torch.device("cuda" if available and wanted != "cpu" else "cpu")
