"""Every brush of Debian's packages paints. In a process of its own: some of them end libmypaint's, unguarded."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

FOLDERS = (
    Path("/usr/share/mypaint-data/1.0/brushes"),
    Path("/usr/share/mypaint-data/2.0/brushes"),
    Path("/usr/share/krita/paintoppresets"),
)
PATIENCE_S = 120.0
PAINT_ALL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
import numpy as np
from spiral.engines.mypaint import MyPaint
for path in map(str.strip, sys.stdin):
    print(path, flush=True)
    engine = MyPaint.from_settings({"brush": path, "brush_sizes": [1, 3], "grid": 8})
    for scaled in (engine, engine.scaled(2)):
        with scaled.open(1) as canvases:
            for action in ([1, 27, 60, 0, 9], [0, 12, 0, 0, 0], [1, 35, 3, 1, 4]):
                canvases.step(np.array([action], dtype=np.int32))
print("done", flush=True)
"""


def distinct(folder: Path) -> dict[str, Path]:
    """Its brush files by digest: the packs share most of them."""
    return {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in sorted(folder.rglob("*.myb"))}


def test_every_brush_of_the_packs_paints_at_two_scales_and_none_ends_the_process() -> None:
    files = {digest: path for folder in FOLDERS for digest, path in distinct(folder).items()}
    left, dead = [str(path) for path in files.values()], []
    assert len(left) > 150
    while left:
        child = subprocess.run(
            [sys.executable, "-c", PAINT_ALL],
            input="\n".join(left),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        said = child.stdout.splitlines()
        if said and said[-1] == "done":
            break
        assert said, child.stderr
        dead.append(f"{said[-1]}: exit code {child.returncode}\n{child.stderr[-300:]}")
        left = left[left.index(said[-1]) + 1 :]
    assert not dead, json.dumps(dead, indent=1)
