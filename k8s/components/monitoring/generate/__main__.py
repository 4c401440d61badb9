"""Writes what is generated of the monitoring: dashboards, and the operator's object of the rules.

python k8s/components/monitoring/generate [FOLDER]

FOLDER stands for ``k8s/components``, which is the default.
"""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path

import by_service
import learning
import overview
from grafana_foundation_sdk.cog.encoder import JSONEncoder

COMPONENTS = Path(__file__).parents[2]
RULES = COMPONENTS / "monitoring" / "rules" / "spiral.yml"
OPERATOR = """\
# Generated from monitoring/rules/spiral.yml by monitoring/generate (`make golden`); not to be edited.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: spiral
  labels:
    app.kubernetes.io/name: prometheus
    app.kubernetes.io/instance: spiral
    app.kubernetes.io/component: monitoring
    app.kubernetes.io/part-of: spiral
spec:
"""


def main(folder: Path) -> int:
    """Write all files below ``folder``."""
    dashboards, operator = folder / "monitoring" / "dashboards", folder / "monitoring-operator"
    for place in (dashboards, operator):
        place.mkdir(parents=True, exist_ok=True)
    for name, module in (("run-overview", overview), ("services", by_service), ("learning", learning)):
        board = module.build().build()
        for number, panel in enumerate(board.panels, start=1):
            panel.id_val = number
        text = json.dumps(board, cls=JSONEncoder, indent=1, sort_keys=True, ensure_ascii=False)
        (dashboards / f"{name}.json").write_text(text + "\n")
    text = RULES.read_text()
    (operator / "rules.yaml").write_text(OPERATOR + textwrap.indent(text[text.index("groups:") :], "  "))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else COMPONENTS))
