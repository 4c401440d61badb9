"""Action specs, engine descriptions, versions and engine settings as messages and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Literal

from spiral.engines.description import EngineDescription
from spiral.v1 import action_pb2, program_pb2, renderer_pb2, version_pb2
from spiral.values import actions, strict_json
from spiral.values.versions import Version

MAX_SETTINGS = 1 << 20
"""Most characters of an engine's settings; the longest list of brush sizes takes a thousandth of it."""
_KINDS: dict[actions.Kind, action_pb2.ComponentKind.ValueType] = {
    "grid": action_pb2.COMPONENT_KIND_GRID,
    "choice": action_pb2.COMPONENT_KIND_CHOICE,
}


def spec_to_proto(spec: actions.ActionSpec) -> action_pb2.ActionSpec:
    """The action spec as a message; ValueError for places that are no square, which the protocol has not."""
    for component in spec.components:
        if component.columns:
            raise ValueError(
                f"component {component.name!r}: {component.size} places in rows of {component.columns} are for replay "
                "only; expected a square lattice"
            )
    return action_pb2.ActionSpec(
        components=[
            action_pb2.Component(name=c.name, size=c.size, kind=_KINDS[c.kind], seen=chain.from_iterable(c.seen))
            for c in spec.components
        ],
        counts=[action_pb2.Counts(component=row) for row in spec.counts],
    )


def spec_from_proto(message: action_pb2.ActionSpec) -> actions.ActionSpec:
    """The action spec of a message; ValueError if it makes no sense."""
    return actions.ActionSpec(
        components=tuple(actions.Component(c.name, c.size, _kind(c), seen=_seen(c)) for c in message.components),
        counts=tuple(tuple(row.component) for row in message.counts),
    )


def _kind(component: action_pb2.Component) -> Literal["grid", "choice"]:
    for kind, number in _KINDS.items():
        if number == component.kind:
            return kind
    raise ValueError(f"component {component.name!r}: kind {component.kind} is unknown; expected 1 (grid) or 2 (choice)")


def _seen(component: action_pb2.Component) -> tuple[tuple[float, float], ...]:
    if len(component.seen) % 2:
        raise ValueError(
            f"component {component.name!r}: seen: {len(component.seen)} numbers are no (row, column) pairs"
        )
    return tuple(zip(component.seen[::2], component.seen[1::2], strict=True))


def description_to_proto(description: EngineDescription) -> renderer_pb2.DescribeEngineResponse:
    """An engine's description as a message."""
    return renderer_pb2.DescribeEngineResponse(
        action_spec=spec_to_proto(description.spec),
        observation_shape=description.observation_shape,
        canvas_shape=description.canvas_shape,
        engine_version=description.version,
    )


def description_from_proto(message: renderer_pb2.DescribeEngineResponse) -> EngineDescription:
    """An engine's description from a message; ValueError if it makes no sense."""
    return EngineDescription(
        spec_from_proto(message.action_spec),
        _shape("observation_shape", message.observation_shape),
        _shape("canvas_shape", message.canvas_shape),
        message.engine_version,
    )


def _shape(name: str, sides: Sequence[int]) -> tuple[int, int, int]:
    if len(sides) != 3 or min(sides) < 1:
        raise ValueError(f"{name}: {list(sides)} is not the shape of a picture; expected [H, W, C], each at least 1")
    height, width, channels = sides
    return height, width, channels


def version_to_proto(version: Version) -> version_pb2.Version:
    """The version as a message."""
    return version_pb2.Version(generation=version.generation, number=version.number)


def version_from_proto(message: version_pb2.Version) -> Version:
    """The version of a message; an absent one is ``Version(0, 0)``."""
    return Version(message.generation, message.number)


def settings_to_proto(engine: str, settings: Mapping[str, Any]) -> program_pb2.EngineSettings:
    """Name and settings of an engine as a message."""
    return program_pb2.EngineSettings(
        engine=engine, settings_json=strict_json.exact(settings, ascii=True) if settings else ""
    )


def settings_from_proto(message: program_pb2.EngineSettings) -> tuple[str, dict[str, Any]]:
    """Name and settings of an engine; ValueError if the settings are not a JSON object."""
    if not message.settings_json:
        return message.engine, {}
    if (size := len(message.settings_json)) > MAX_SETTINGS:
        raise ValueError(f"settings_json: {size} characters; expected at most {MAX_SETTINGS}")
    try:
        settings = json.loads(message.settings_json)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"settings_json: not JSON: {error}") from error
    if not isinstance(settings, dict):
        raise ValueError(f"settings_json: found {type(settings).__name__}; expected a JSON object")
    return message.engine, settings
