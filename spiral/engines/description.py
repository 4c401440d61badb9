"""An engine's description, for services that never import the engine."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from spiral.engines.interface import Engine
from spiral.values.actions import ActionSpec
from spiral.values.validation import sentence


@dataclass(frozen=True, slots=True)
class EngineDescription:
    """The answer to DescribeEngine; it is stored with a run, which is bound to this engine from then on."""

    spec: ActionSpec
    observation_shape: tuple[int, int, int]
    canvas_shape: tuple[int, int, int]
    version: str
    """Version of the engine, free text; pixels may differ between versions."""

    @classmethod
    def of(cls, engine: Engine) -> EngineDescription:
        """The description of an engine that is installed here."""
        return cls(engine.spec, engine.observation_shape, engine.canvas_shape, engine.version)

    @classmethod
    def from_json(cls, value: Any) -> EngineDescription:
        """Read the output of :meth:`to_json`; ValueError with a sentence if it is something else."""
        try:
            return TypeAdapter(cls).validate_python(value)
        except ValidationError as error:
            raise ValueError(f"engine description: {sentence(error)}") from error

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)
