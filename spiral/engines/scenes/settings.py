"""Settings of the engine ``scenes``."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_SIDE = 4096
"""Largest canvas, pixels."""


class ScenesSettings(BaseModel):
    """How the engine ``scenes`` draws."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, strict=False)

    canvas: int = Field(64, ge=16, le=MAX_SIDE)
    """Side of the canvas, pixels."""
    view: int | None = Field(None, ge=1)
    """Observation: the canvas itself, or the side to which the canvas is averaged; must divide the canvas."""
    renderer: Literal["native", "mujoco"] = "native"
    """The renderer: this package, or MuJoCo (extra ``scenes``)."""

    @property
    def view_side(self) -> int:
        """Side of the observation, pixels."""
        return self.canvas if self.view is None else self.view

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.canvas % self.view_side:
            raise ValueError(f"view: {self.view} does not divide the canvas, {self.canvas} pixels")
        return self
