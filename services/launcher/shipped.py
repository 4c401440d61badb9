"""What the models that ship paint: the first picture of a demo, seconds after its start.

    python -m services.launcher.shipped FOLDER

A process of its own, so that the launcher itself need not load PyTorch before the services have.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from spiral import strict_json
from spiral.models import find_model, shipped_models

SHOWN = ("mnist", "faces")
"""Models that paint from nothing, in the order they are shown."""
COUNT = 48
DEADLINE_S = 60.0


def paint_in_process(folder: Path) -> dict[str, Path]:
    """Contact sheets of the models that ship, by model, painted by a process of its own; none where there are none.

    Raises RuntimeError with the process's last line where it fails or takes longer than a minute.
    """
    if not any(name in shipped_models() for name in SHOWN):
        return {}
    command = [sys.executable, "-m", __name__, str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=True)
    except subprocess.TimeoutExpired as error:
        raise RuntimeError(f"the models that ship were not painted within {DEADLINE_S:.0f} s") from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise RuntimeError(f"the models that ship could not paint: {last}") from error
    return {name: Path(path) for name, path in json.loads(done.stdout).items()}


def main(folder: Path) -> int:
    """Paint a sheet for each model into ``folder`` and print their paths as one JSON object."""
    from spiral import pictures  # noqa: PLC0415
    from spiral.trained import load_model  # noqa: PLC0415

    sheets = {}
    for name in SHOWN:
        if name in shipped_models():
            canvases, _ = load_model(find_model(name)).paint(COUNT, seed=0)
            folder.mkdir(parents=True, exist_ok=True)
            pictures.save_png(pictures.contact_sheet(canvases), folder / f"shipped-{name}.png")
            sheets[name] = str(folder / f"shipped-{name}.png")
    print(strict_json.exact(sheets))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
