"""Turns pydantic's findings into one sentence."""

from __future__ import annotations

from pydantic import ValidationError


def sentence(error: ValidationError) -> str:
    """All findings of a validation error as ``key: what is wrong, but it is value``, separated by semicolons."""
    findings = []
    for finding in error.errors(include_url=False):
        key = ".".join(str(part) for part in finding["loc"])
        message = finding["msg"].removeprefix("Value error, ")
        if finding["type"] == "value_error":
            findings.append(message if not key or message.startswith(key) else f"{key}: {message}")
        else:
            findings.append(f"{key}: {message[:1].lower()}{message[1:]}, but it is {finding['input']!r}")
    return "; ".join(findings)
