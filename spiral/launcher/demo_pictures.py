"""Pictures by the bundled models: what a demo shows first, seconds after its start.

    python -m spiral.launcher.demo_pictures FOLDER

This is a separate process, so that the launcher does not load PyTorch before the services have.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event

from spiral.models import bundled_models, find_model
from spiral.values import strict_json

SHOWN = ("mnist", "faces")
"""Models that paint from nothing, in the order in which they are shown."""
COUNT = 48
DEADLINE_S = 60.0


def paint_demo_pictures(folder: Path, stop: Event) -> dict[str, Path]:
    """Contact sheets of the bundled models, by model, painted by a separate process; empty if there are no models.

    Raises RuntimeError, with the process's last line, if it fails, takes longer than a minute, or ``stop`` is set.
    """
    if not any(name in bundled_models() for name in SHOWN):
        return {}
    command = [sys.executable, "-m", __name__, str(folder)]
    out, errors, code = _run(command, stop)
    if code:
        last = (errors.strip().splitlines() or ["no reason given"])[-1]
        raise RuntimeError(f"the models that ship could not paint: {last}")
    return {name: Path(path) for name, path in json.loads(out).items()}


def _run(command: Sequence[str], stop: Event) -> tuple[str, str, int]:
    """Output, errors and exit code of a process; it is ended at its deadline or when ``stop`` is set."""
    end_s = time.monotonic() + DEADLINE_S
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        try:
            while not stop.is_set():
                with suppress(subprocess.TimeoutExpired):
                    out, errors = child.communicate(timeout=0.1)
                    return out, errors, child.returncode
                if time.monotonic() > end_s:
                    raise RuntimeError(f"the models that ship were not painted within {DEADLINE_S:.0f} s")
            raise RuntimeError("the models that ship were not painted: the run is to stop")
        finally:
            child.kill()


def main(folder: Path) -> int:
    """Paint a sheet for each model into ``folder`` and print their paths as one JSON object."""
    from spiral import pictures  # noqa: PLC0415
    from spiral.models.with_torch import load_model  # noqa: PLC0415

    sheets = {}
    for name in SHOWN:
        if name in bundled_models():
            canvases, _ = load_model(find_model(name)).paint(COUNT, seed=0)
            folder.mkdir(parents=True, exist_ok=True)
            pictures.save_png(pictures.contact_sheet(canvases), folder / f"shipped-{name}.png")
            sheets[name] = str(folder / f"shipped-{name}.png")
    print(strict_json.exact(sheets))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
