"""Fails the build of an image whose torch is not the one wanted. Usage: check-torch.py cpu|cuda"""

from __future__ import annotations

import sys
import warnings

with warnings.catch_warnings(action="ignore"):  # NumPy is not installed yet
    import torch


def main(wanted: str) -> str:
    """What is wrong, in a sentence; empty where nothing is."""
    if wanted not in {"cpu", "cuda"}:
        return f'TORCH: "{wanted}" is neither cpu nor cuda'
    built_for = torch.version.cuda
    if wanted == "cpu" and built_for:
        return (
            f"TORCH_INDEX: a CPU image is to be made, but pip found torch {torch.__version__}, built for CUDA "
            f"{built_for}; name an index of CPU builds with TORCH_INDEX (the README says where), or ask for "
            "TORCH=cuda where the service has it"
        )
    if wanted == "cuda" and not built_for:
        return (
            f"TORCH_INDEX: a CUDA image is to be made, but pip found torch {torch.__version__}, a build without CUDA; "
            "leave TORCH_INDEX empty, or name an index of CUDA builds"
        )
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]) or 0)
