"""Describes the native module to setuptools: `spiral.engines.mypaint._native`."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from cffi import FFI

APT = "apt-get install libmypaint-dev"
HERE = Path(__file__).parent
SOURCES = (
    "batch.c",
    "watch.c",
    "recipe.c",
    "canvas.c",
    "dabs.c",
    "mending.c",
    "curve_actions.c",
    "compound_actions.c",
    "readout.c",
)
HEADERS = (
    "api.cdef",
    "api.h",
    "watch.h",
    "recipe.h",
    "canvas.h",
    "dabs.h",
    "mending.h",
    "curve_actions.h",
    "compound_actions.h",
    "readout.h",
)


def include_folders() -> list[str]:
    """The folders of libmypaint's headers, found with or without pkg-config; RuntimeError with the remedy if absent."""
    candidates = [Path("/usr/include/libmypaint"), Path("/usr/local/include/libmypaint")]
    if shutil.which("pkg-config"):
        command = ["pkg-config", "--cflags-only-I", "libmypaint"]
        asked = subprocess.run(command, check=False, capture_output=True, text=True)
        candidates = [Path(flag.removeprefix("-I")) for flag in asked.stdout.split()] + candidates
    for folder in candidates:
        if (folder / "mypaint-tiled-surface.h").is_file():
            return [str(folder)]
    raise RuntimeError(f"libmypaint's headers (1.5 or newer) are not installed; on Debian and Ubuntu: {APT}")


def make_builder() -> FFI:
    """The out-of-line builder that setup.py names; its C sources are compiled beside the generated wrapper."""
    ffi = FFI()
    ffi.cdef((HERE / "api.cdef").read_text())
    ffi.cdef('extern "Python" int keep_painting(void *canvases);')
    ffi.set_source(
        "spiral.engines.mypaint._native",
        '#include "api.h"',
        sources=[f"spiral/engines/mypaint/native/{name}" for name in SOURCES],
        depends=[f"spiral/engines/mypaint/native/{name}" for name in HEADERS],
        include_dirs=[str(HERE), *include_folders()],
        libraries=["mypaint", "m"],
        # Hidden, because libmypaint exports names as common as brush_free and would call ours instead of its own.
        # Contraction to fused multiply-add would move points of a stroke by a rounding error on some machines.
        extra_compile_args=[
            "-O3",
            "-std=gnu11",
            "-pthread",
            "-fvisibility=hidden",
            "-ffp-contract=off",
            "-Wall",
            "-Wextra",
        ],
        extra_link_args=["-pthread"],
    )
    return ffi
