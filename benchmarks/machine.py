"""The machine that the figures were measured on."""

from __future__ import annotations

import platform
from pathlib import Path

from spiral.computing.machine import cpu_flags, usable_cores

OUT = Path("benchmarks/out")
"""Where results are written."""
_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def describe_machine() -> dict[str, str | int]:
    """Keys ``machine.*``: processor, cores, instruction sets, Python and torch."""
    import torch  # noqa: PLC0415  (late, because not every benchmark needs it)

    return {
        "machine.processor": _processor(),
        "machine.cores": usable_cores(),
        "machine.instructions": " ".join(flag for flag in _FLAGS if flag in cpu_flags()),
        "machine.python": platform.python_version(),
        "machine.torch": torch.__version__,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
