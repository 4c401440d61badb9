"""The JSON of program files: ``spiral-program/2``, and ``spiral-program/1``, which is read for ever.

docs/spiral-program-2.schema.json is the schema of the former, made from the class below.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic_core import from_json

from spiral.values.validation import sentence

FORMER, FORMAT = "spiral-program/1", "spiral-program/2"
MAX_ACTIONS = 10_000
"""Most actions of a program, as many as the renderer takes in one message."""
MAX_COMPONENTS = 64
MAX_BYTES = 16 << 20
"""Largest program file: the longest program of the widest action needs about 6 MB."""

Action = Annotated[list[Annotated[int, Field(ge=0, lt=1 << 31)]], Field(min_length=1, max_length=MAX_COMPONENTS)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Side = Annotated[int, Field(ge=1, lt=1 << 31)]


class FormerProgramFile(BaseModel):
    """``spiral-program/1``: from before digests were kept."""

    model_config = ConfigDict(extra="forbid", strict=True, title="Program")

    format: Literal["spiral-program/1"]
    engine: str = Field(min_length=1, max_length=64, description='Name of the engine, for example "mypaint".')
    engine_version: str = Field(
        max_length=1024, description="Version of the engine that it was made with; empty: not known."
    )
    settings: dict[str, JsonValue] = Field(description="The engine's settings; those left out have their defaults.")
    seed: int = Field(ge=0, lt=1 << 63, description="Of the engine's random generator.")
    actions: list[Action] = Field(
        min_length=1,
        max_length=MAX_ACTIONS,
        description="One list an action: a whole number for each component of the engine's action spec, in its order.",
    )


class ProgramFile(FormerProgramFile):
    """``spiral-program/2``: a picture as the list of commands that paints it."""

    format: Literal["spiral-program/2"]  # type: ignore[assignment]
    digests: dict[str, Digest] = Field(
        description="SHA-256 of the file behind a setting, for example of the brush, by the setting's name."
    )
    canvas: Annotated[list[Side], Field(min_length=3, max_length=3)] | None = Field(
        description="Height, width (pixels) and channels of the canvas that it was made on; null: not known."
    )


def parse(text: str | bytes) -> ProgramFile | FormerProgramFile:
    """Read a program file's text; ValueError with a sentence if it is not one, or of a newer format."""
    if len(text) > MAX_BYTES:
        raise ValueError(f"program: {len(text)} bytes are more than {MAX_BYTES}")
    try:
        data = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise ValueError(f"program: not JSON: {error}") from error
    named = data.get("format") if isinstance(data, dict) else None
    if isinstance(named, str) and re.fullmatch(r"spiral-program/[0-9]{1,9}", named) and named not in (FORMER, FORMAT):
        raise ValueError(
            f'program: format: "{named}" is not known to this version; expected "{FORMER}" or "{FORMAT}"; a newer '
            "spiral-painter reads newer ones"
        )
    try:
        read = (FormerProgramFile if named == FORMER else ProgramFile).model_validate(data)
    except ValidationError as error:
        raise ValueError(f"program: {_brief(error)}") from error
    if len({len(action) for action in read.actions}) != 1:
        raise ValueError("program: actions: not all of them have the same number of components")
    return read


def _brief(error: ValidationError) -> str:
    """The first few findings; a damaged list of actions has one for each number."""
    findings = sentence(error).split("; ")
    shown = "; ".join(finding[:300] for finding in findings[:3])
    return shown if len(findings) <= 3 else f"{shown}; and {len(findings) - 3} more"
