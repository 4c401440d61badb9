"""What the monitoring consists of, as it is committed: rules, queries of the dashboards, names of metrics in both."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from spiral.serving.metrics import CATALOGUE

ROOT = Path(__file__).parents[2]
COMPONENTS = ROOT / "k8s" / "components"
RULES = COMPONENTS / "monitoring" / "rules" / "spiral.yml"
DASHBOARDS = sorted((COMPONENTS / "monitoring" / "dashboards").glob("*.json"))
RATE_INTERVAL = "1m"
"""What Grafana takes for $__rate_interval: four times the interval between scrapes."""

_NAMES = re.compile(r"\b(?:[a-z_]+:)?spiral_[a-z0-9_]+(?::[a-z0-9_]+)?")


@dataclass(frozen=True, slots=True)
class Query:
    """A query of a dashboard, with the variables filled in as Grafana does for all runs."""

    panel: str
    expression: str

    def __str__(self) -> str:
        return f"{self.panel}: {self.expression}"


def rules(kind: str = "") -> list[dict[str, Any]]:
    """All rules, or those of a kind: ``alert`` or ``record``."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if kind in {"", *rule}]


def panels(file: Path) -> Iterator[dict[str, Any]]:
    """The panels of a dashboard, without the headings of rows."""
    yield from (panel for panel in json.loads(file.read_text())["panels"] if panel["type"] != "row")


def queries() -> list[Query]:
    """The queries of all dashboards."""
    return [
        Query(
            f"{file.stem}: {panel['title']}",
            target["expr"].replace("$__rate_interval", RATE_INTERVAL).replace("$namespace", ".*"),
        )
        for file in DASHBOARDS
        for panel in panels(file)
        for target in panel["targets"]
    ]


def metrics_in(expression: str) -> set[str]:
    """The names of this project's metrics in an expression, as the catalogue has them; recorded ones as they are."""
    histograms = {m.name for m in CATALOGUE if m.kind == "histogram"}
    names = set(_NAMES.findall(expression))
    return {base if (base := re.sub(r"_(bucket|sum|count)$", "", name)) in histograms else name for name in names}


def need(tool: str) -> str:
    """Path of ``prometheus`` or ``promtool``; the test is skipped where there is none."""
    path = shutil.which(tool)
    if path is None:
        pytest.skip(f"{tool} is not installed (Debian, Ubuntu: apt-get install prometheus)")
    return path
