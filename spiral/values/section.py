"""The base of all settings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Settings of one part: immutable, with finite numbers; an unknown key is an error."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        ser_json_inf_nan="constants",  # a field that may be infinite is written as such
    )

    @classmethod
    def own_keys(cls) -> list[str]:
        """The keys of its fields as written in files."""
        return [field.alias or name for name, field in cls.model_fields.items()]
