"""Every way in which the manifests are put together: the root, the overlays, each component alone, and the documented
combinations; each rendered by kustomize."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import yaml

from cluster.manifests import Object, build, parse

ROOT = Path(__file__).parents[3]
K8S = ROOT / "k8s"
GOLDEN = K8S / "golden"


def _kustomizations(folder: str, kind: str) -> Iterator[Path]:
    for file in sorted((K8S / folder).rglob("kustomization.yaml")):
        if yaml.safe_load(file.read_text())["kind"] == kind:
            yield file.parent


OVERLAYS = [path.name for path in _kustomizations("overlays", "Kustomization")]
COMPONENTS = [str(path.relative_to(K8S / "components")) for path in _kustomizations("components", "Component")]
DOCUMENTED = list(yaml.safe_load((K8S / "combinations.yaml").read_text())["combinations"])

GOLDENS = ["root", *OVERLAYS]
"""Those whose render is committed."""
ALONE = [f"base + {component}" for component in COMPONENTS]
TOGETHER = [f"base + {' + '.join(components)}" for components in DOCUMENTED]
ALL = [*GOLDENS, *ALONE, *TOGETHER]


class UnbuiltError(Exception):
    """There is neither kubectl nor a golden render."""


def render(name: str, scratch: Path) -> list[Object]:
    """The objects of a combination; what it needs on disk is written below ``scratch``.

    Without kubectl the golden render stands in for the root and the overlays; UnbuiltError for the others.
    """
    if shutil.which("kubectl") is None:
        if name in GOLDENS:
            return parse((GOLDEN / f"{name}.yaml").read_text())
        raise UnbuiltError(f"kubectl is not installed, and only kustomize can build {name}")
    return build(_folder(name, scratch))


def _folder(name: str, scratch: Path) -> Path:
    if name == "root":
        return K8S
    if name in OVERLAYS:
        return K8S / "overlays" / name
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
