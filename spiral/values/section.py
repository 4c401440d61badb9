"""The base of all settings."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Settings of one thing: immutable, numbers are finite, and a key that does not exist is an error."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        ser_json_inf_nan="constants",  # where a field may be infinite, a file says so
    )

    @classmethod
    def own_keys(cls) -> list[str]:
        """The keys of its fields, as they are written in files."""
        return [field.alias or name for name, field in cls.model_fields.items()]
