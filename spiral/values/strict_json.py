"""JSON as in RFC 8259. All JSON is written here, because Python's own writer emits ``NaN``, which readers in other
languages refuse."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def report(value: Any, *, indent: int | None = None) -> str:
    """JSON for people and their tools: a number that is not finite becomes ``null``, "not known"."""
    try:
        return exact(value, indent=indent)
    except ValueError:
        return exact(_known(value), indent=indent)


def exact(
    value: Any, *, indent: int | None = None, separators: tuple[str, str] | None = None, ascii: bool = False
) -> str:
    """JSON that this program reads back; ValueError if a number is not finite."""
    return json.dumps(value, allow_nan=False, ensure_ascii=ascii, indent=indent, separators=separators)


def read(content: str | bytes) -> Any:
    """Plain values; ValueError also for ``NaN`` and ``Infinity``, which are not JSON."""
    return json.loads(content, parse_constant=_refuse)


def _known(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _known(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_known(inner) for inner in value]
    return value


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON; expected a finite number")
