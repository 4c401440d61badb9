"""The runbook: every alert leads into it, and the panels and commands that it names exist."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import typer.main

from tests.monitoring.written import DASHBOARDS, ROOT, panels, rules

OPERATIONS = ROOT / "docs" / "operations.md"
TEXT = OPERATIONS.read_text()
WORDS = re.sub(r"\s+", " ", TEXT)
NO_PANELS = {"Pending"}
"""What stands in italics and is a word of Kubernetes."""


def slug(heading: str) -> str:
    """The anchor of a heading, as pages of Markdown have it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("rule", rules("alert"), ids=lambda rule: rule["alert"])
def test_alerts_say_what_is_wrong_and_where_to_read_on(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    file, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert ROOT / file == OPERATIONS
    sections = dict(re.findall(r"(?ms)^## (.+?)$(.*?)(?=^## |\Z)", TEXT))
    by_anchor = {slug(heading): (heading, text) for heading, text in sections.items()}
    heading, text = by_anchor[anchor]
    assert heading == rule["alert"]
    assert [part for part in ("**Means.**", "**Look at.**", "**Do.**") if part not in text] == []


def test_every_section_belongs_to_an_alert() -> None:
    assert re.findall(r"(?m)^## (.+)$", TEXT) == [rule["alert"] for rule in rules("alert")]


def test_the_panels_that_it_names_are_there() -> None:
    titles = {panel["title"] for file in DASHBOARDS for panel in panels(file)}
    titles |= {json.loads(file.read_text())["title"] for file in DASHBOARDS}
    named = set(re.findall(r"(?<!\*)\*([^*]+)\*(?!\*)", WORDS))
    assert len(named) > 10
    assert named - NO_PANELS <= titles


def test_the_commands_that_it_names_are_there() -> None:
    pytest.importorskip("kubernetes", reason="the extra k8s is not installed")
    from spiral.cli.k8s import app  # noqa: PLC0415

    top: Any = typer.main.get_command(app)
    found = re.findall(r"spiral k8s ([a-z][^`\n#|]*)", TEXT)
    assert len(found) > 10
    for line in found:
        command, words = top, line.split()
        while words and hasattr(command, "commands"):
            assert words[0] in command.commands, f"spiral k8s {line}"
            command = command.commands[words.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("-")} <= options, f"spiral k8s {line}"
