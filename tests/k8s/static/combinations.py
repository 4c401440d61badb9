"""Every way in which the manifests are put together: the root, the overlays, each component alone, and the documented
combinations; each rendered by kustomize."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from cluster import manifests
from cluster.manifests import Object
from tests.k8s.static import golden

ROOT = Path(__file__).parents[3]
K8S = ROOT / "k8s"
COMPONENTS = [
    str(file.parent.relative_to(K8S / "components"))
    for file in sorted((K8S / "components").rglob("kustomization.yaml"))
    if yaml.safe_load(file.read_text())["kind"] == "Component"
]
DOCUMENTED = list(yaml.safe_load((K8S / "combinations.yaml").read_text())["combinations"])
ALONE = [f"base + {component}" for component in COMPONENTS]
TOGETHER = [f"base + {' + '.join(components)}" for components in DOCUMENTED]
ALL = [*golden.NAMES, *ALONE, *TOGETHER]


class UnbuiltError(Exception):
    """There is neither kubectl nor a golden render."""


def render(name: str, scratch: Path) -> list[Object]:
    """The objects of a combination; what it needs on disk is written below ``scratch``.

    Without kubectl the golden render stands in for the root and the overlays; UnbuiltError for the others.
    """
    if shutil.which("kubectl") is None:
        if name in golden.NAMES:
            return golden.read(name)
        raise UnbuiltError(f"kubectl is not installed, and only kustomize can build {name}")
    return manifests.render(_folder(name, scratch))


def _folder(name: str, scratch: Path) -> Path:
    if name in golden.NAMES:
        return golden.folder_of(name)
    # kustomize takes nothing from outside the tree, so the combination is written into a copy of it.
    copy = scratch / name.replace("/", "-").replace(" + ", "-")
    shutil.copytree(K8S, copy)
    folder = copy / "overlays" / "combination"
    folder.mkdir()
    components = name.split(" + ")[1:]
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["../../namespace", "../../base"],
        "components": [f"../../components/{component}" for component in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return folder
