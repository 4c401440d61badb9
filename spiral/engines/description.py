"""What an engine understands and shows, for those that never import it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from spiral.engines.interface import Engine
from spiral.values.actions import ActionSpec
from spiral.values.validation import sentence


@dataclass(frozen=True, slots=True)
class EngineDescription:
    """The answer to DescribeEngine; stored with a run, which is for this engine from then on."""

    spec: ActionSpec
    observation_shape: tuple[int, int, int]
    canvas_shape: tuple[int, int, int]
    version: str
    """Version of the engine, free text; pixels may differ between versions."""

    @classmethod
    def of(cls, engine: Engine) -> EngineDescription:
        """Describe an engine that is at hand."""
        return cls(engine.spec, engine.observation_shape, engine.canvas_shape, engine.version)

    @classmethod
    def from_json(cls, value: Any) -> EngineDescription:
        """Read what :meth:`to_json` made; ValueError with a sentence if it is something else."""
        try:
            return TypeAdapter(cls).validate_python(value)
        except ValidationError as error:
            raise ValueError(f"engine description: {sentence(error)}") from error

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)
