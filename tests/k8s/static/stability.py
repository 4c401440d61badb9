"""What makes a second ``kubectl apply`` differ from the first: values that the API server writes in another way."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.k8s.static.combinations import Object
from tests.k8s.static.objects import leaves

_QUANTITY_OF = {"cpu", "memory", "storage", "ephemeral-storage", "nvidia.com/gpu"}
_QUANTITIES = {"sizeLimit", "divisor", "averageValue"}
_CLAIM = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": {"phase": "Pending"}}
_EMPTY_IS_MEANT = {"emptyDir", "podSelector", "namespaceSelector"}


def rewritten(item: Object) -> Iterator[str]:
    """Every value of an object that would come back in another form, as a sentence."""
    for path, value in leaves(item):
        where = ".".join(path)
        quantity = path[-1] in _QUANTITIES or (path[-1] in _QUANTITY_OF and path[-2] in {"requests", "limits"})
        if quantity and (not isinstance(value, str) or value != canonical(value)):
            yield f"{where}: {value!r} comes back as {canonical(str(value))!r}"
        elif (
            (value is None or value == "" or value in ({}, [])) and path[-1] not in _EMPTY_IS_MEANT and not _data(path)
        ):
            yield f"{where}: {value!r} does not come back"
    yield from _filled_in(item)
    # A list whose entries have no key among them is compared as a whole, with what the server filled in.
    if item["kind"] == "NetworkPolicy":
        for rule in [*item["spec"].get("ingress", []), *item["spec"].get("egress", [])]:
            for port in rule.get("ports", []):
                if "protocol" not in port:
                    yield f"port {port['port']}: the protocol is filled in by the server"


def _filled_in(item: Object) -> Iterator[str]:
    """What the server fills in beside what is written, where kubectl takes it for a change at every apply."""
    for template in item["spec"].get("volumeClaimTemplates", []) if item["kind"] == "StatefulSet" else []:
        where = f"claim template {template['metadata']['name']}"
        for field, value in _CLAIM.items():
            if template.get(field) != value:
                yield f"{where}: {field} is filled in by the server: {value}"
        if "volumeMode" not in template["spec"]:
            yield f"{where}: volumeMode is filled in by the server: Filesystem"
    paths = {path for path, _ in leaves(item)}
    for path in paths:
        if path[-2:] == ("fieldRef", "fieldPath") and (*path[:-1], "apiVersion") not in paths:
            yield f"{'.'.join(path[:-1])}: apiVersion is filled in by the server: v1"


def canonical(text: str) -> str:
    """A quantity as the API server writes it: ``1000m`` → ``1``, ``0.5`` → ``500m``, ``1024Mi`` → ``1Gi``."""
    match = re.fullmatch(r"([0-9]+)(?:\.([0-9]+))?(m|[kMGT]?|[KMGT]i)", text)
    if match is None:
        return text
    whole, part, suffix = match[1], match[2] or "", match[3]
    base, suffixes = (
        (1024, ["", "Ki", "Mi", "Gi", "Ti"]) if suffix.endswith("i") else (1000, ["m", "", "k", "M", "G", "T"])
    )
    step = suffixes.index(suffix)
    number, divisor = int(whole + part), 10 ** len(part)
    while number % divisor and step > 0:
        number, step = number * base, step - 1
    number //= divisor
    while number and number % base == 0 and step < len(suffixes) - 1:
        number, step = number // base, step + 1
    return f"{number}{suffixes[step]}"


def _data(path: tuple[str, ...]) -> bool:
    return path[0] == "data"
