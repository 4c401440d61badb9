"""Describes the native module to setuptools: `spiral.engines.scenes._native`."""

from __future__ import annotations

from pathlib import Path

from cffi import FFI

HERE = Path(__file__).parent
SOURCES = ("shapes.c", "stage.c", "batch.c")
HEADERS = ("api.cdef", "api.h", "shapes.h", "stage.h")


def make_builder() -> FFI:
    """The out-of-line builder that setup.py names; its C sources are compiled beside the generated wrapper."""
    ffi = FFI()
    ffi.cdef((HERE / "api.cdef").read_text())
    ffi.set_source(
        "spiral.engines.scenes._native",
        '#include "api.h"',
        sources=[f"spiral/engines/scenes/native/{name}" for name in SOURCES],
        depends=[f"spiral/engines/scenes/native/{name}" for name in HEADERS],
        include_dirs=[str(HERE)],
        libraries=["m"],
        # Contraction to fused multiply-add would move an edge by a pixel on some machines.
        extra_compile_args=["-O3", "-std=gnu11", "-fvisibility=hidden", "-ffp-contract=off", "-Wall", "-Wextra"],
    )
    return ffi
