"""What the root and the overlays render to, kept for reviews and for machines without kubectl.

``python -m tests.k8s.static.golden`` (`make golden`) writes ``tests/k8s/golden/NAME.jsonl``, an object a line.
"""

from __future__ import annotations

import json
from pathlib import Path

from cluster.manifests import REPOSITORY, Object, render

FOLDER = REPOSITORY / "tests" / "k8s" / "golden"
K8S = REPOSITORY / "k8s"
OVERLAYS = sorted(path.parent.name for path in (K8S / "overlays").glob("*/kustomization.yaml"))
NAMES = ["root", *OVERLAYS]


def folder_of(name: str) -> Path:
    """The kustomization of a render."""
    return K8S if name == "root" else K8S / "overlays" / name


def read(name: str) -> list[Object]:
    """The objects as they were when the render was written."""
    return [json.loads(line) for line in (FOLDER / f"{name}.jsonl").read_text().splitlines()]


def write(name: str) -> None:
    """Render with kubectl, in kustomize's order of objects and keys."""
    lines = [json.dumps(item, ensure_ascii=False) + "\n" for item in render(folder_of(name))]
    (FOLDER / f"{name}.jsonl").write_text("".join(lines))


if __name__ == "__main__":
    for each in NAMES:
        write(each)
