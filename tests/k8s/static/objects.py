"""Finding one's way among rendered objects: pods and their containers, names, quantities."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.k8s.static.combinations import Object

SERVICES = ("renderer", "actor", "learner", "discriminator")
_UNITS = {"": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}


@dataclass(frozen=True, slots=True)
class Pod:
    """What a workload says of its pods."""

    owner: Object
    labels: dict[str, str]
    spec: Object

    @property
    def name(self) -> str:
        """Kind and name of the workload."""
        return name(self.owner)

    @property
    def containers(self) -> list[Object]:
        """All containers, those that start first before the others."""
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def claims(self) -> set[str]:
        """Names of the claims that each pod gets of its own."""
        return {template["metadata"]["name"] for template in self.owner["spec"].get("volumeClaimTemplates", [])}


def name(item: Object) -> str:
    """For example ``Service/renderer``."""
    return f"{item['kind']}/{item['metadata']['name']}"


def pods(objects: Iterable[Object]) -> Iterator[Pod]:
    """The pods of all workloads."""
    for item in objects:
        if item["kind"] == "Pod":
            yield Pod(item, item["metadata"].get("labels", {}), item["spec"])
        elif "template" in item.get("spec", {}):
            template = item["spec"]["template"]
            yield Pod(item, template["metadata"].get("labels", {}), template["spec"])


def of_kind(objects: Iterable[Object], kind: str) -> list[Object]:
    """All objects of a kind."""
    return [item for item in objects if item["kind"] == kind]


def only(objects: Iterable[Object], kind: str, called: str) -> Object:
    """The one object of this kind and name."""
    (item,) = [item for item in of_kind(objects, kind) if item["metadata"]["name"] == called]
    return item


def quantity(text: str | float) -> float:
    """``250m`` → 0.25, ``1Gi`` → 2³⁰; ValueError if it is none."""
    match = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text))
    if match is None or match[2] not in _UNITS:
        raise ValueError(f'"{text}" is no quantity; expected for example 250m, 2 or 1Gi')
    return float(match[1]) * _UNITS[match[2]]


def leaves(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every value that is no mapping and no list with something in it, and where it stands."""
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from leaves(value, (*path, str(key)))
    elif isinstance(tree, list) and tree:
        for index, value in enumerate(tree):
            yield from leaves(value, (*path, str(index)))
    else:
        yield path, tree


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a ``matchLabels``/``matchExpressions`` selector chooses these labels; an empty one chooses all."""
    operators = {
        "In": lambda value, values: value in values,
        "NotIn": lambda value, values: value not in values,
        "Exists": lambda value, values: value is not None,
        "DoesNotExist": lambda value, values: value is None,
    }
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        operators[term["operator"]](labels.get(term["key"]), term.get("values"))
        for term in selector.get("matchExpressions", [])
    )
