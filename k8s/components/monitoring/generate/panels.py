"""The panels that the dashboards are made of, and the expressions that they show.

Every expression keeps to the runs that the dashboard's variable ``namespace`` chooses; all of them by default, also
where the label is absent because Prometheus sees one run alone.
"""

from __future__ import annotations

import string
from dataclasses import dataclass

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models import common as choices
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

CHOSEN = DataSourceRef(type_val="prometheus", uid="$datasource")
"""Which Prometheus: this component's own, or the one that an operator's Grafana knows."""


@dataclass(frozen=True, slots=True)
class Line:
    """An expression of PromQL and what its series are called, from their labels."""

    expression: str
    legend: str = ""


def of(metric: str, **labels: str) -> str:
    """The series of a metric, of the chosen runs, with these labels; a value that begins with ``~`` is a pattern."""
    chosen = "".join(
        f',{name}=~"{value[1:]}"' if value.startswith("~") else f',{name}="{value}"' for name, value in labels.items()
    )
    return f'{metric}{{namespace=~"$namespace"{chosen}}}'


def rate(metric: str, by: str = "", **labels: str) -> str:
    """How fast a counter grows each second, summed over what is not in ``by``."""
    return f"sum by ({by}) (rate({of(metric, **labels)}[$__rate_interval]))"


def quantiles(metric: str) -> list[Line]:
    """Median and 95th percentile of a histogram, and what was slow."""
    buckets = f"sum by (le) (rate({of(f'{metric}_bucket')}[$__rate_interval]))"
    return [Line(f"histogram_quantile({q}, {buckets})", f"{q:.0%}") for q in (0.5, 0.95)]


def chart(
    title: str,
    lines: list[Line],
    *,
    unit: str = "short",
    text: str = "",
    width: int = 8,
    stacked: bool = False,
    low: float | None = None,
) -> timeseries.Panel:
    """Lines over time; ``text`` says what is right and what is not, ``low`` is the least of the axis."""
    panel = (
        timeseries.Panel()
        .title(title)
        .datasource(CHOSEN)
        .unit(unit)
        .height(8)
        .span(width)
        .line_width(1)
        .fill_opacity(25 if stacked else 5)
        .show_points(choices.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(choices.LegendDisplayMode.LIST)
            .placement(choices.LegendPlacement.BOTTOM)
        )
        .tooltip(common.VizTooltipOptions().mode(choices.TooltipDisplayMode.MULTI).sort(choices.SortOrder.DESCENDING))
    )
    if text:
        panel.description(text)
    if stacked:
        panel.stacking(common.StackingConfig().mode(choices.StackingMode.NORMAL))
    if low is not None:
        panel.min(low)
    for letter, line in zip(string.ascii_uppercase, lines, strict=False):
        panel.with_target(
            prometheus.Dataquery().ref_id(letter).expr(line.expression).legend_format(line.legend).range()
        )
    return panel


def number(title: str, line: Line, *, unit: str = "short", text: str = "", width: int = 4) -> stat.Panel:
    """The newest value; its name instead where the legend has one, for values that say yes to a name."""
    panel = (
        stat.Panel()
        .title(title)
        .datasource(CHOSEN)
        .unit(unit)
        .height(4)
        .span(width)
        .graph_mode(choices.BigValueGraphMode.NONE)
        .color_mode(choices.BigValueColorMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .text_mode(choices.BigValueTextMode.NAME if line.legend else choices.BigValueTextMode.VALUE)
        .with_target(prometheus.Dataquery().ref_id("A").expr(line.expression).legend_format(line.legend).instant())
    )
    if text:
        panel.description(text)
    return panel


def page(uid: str, title: str, text: str) -> dashboard.Dashboard:
    """An empty dashboard with its variables."""
    everything = VariableOption(text="All", value="$__all")
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(text)
        .tags(["spiral"])
        .timezone("browser")
        .readonly()
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .time("now-1h", "now")
        .refresh("30s")
        .link(
            dashboard.DashboardLink("SPIRAL")
            .type(DashboardLinkType.DASHBOARDS)
            .tags(["spiral"])
            .as_dropdown(False)
            .keep_time(True)
        )
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(
            dashboard.QueryVariable("namespace")
            .label("Run")
            .query("label_values(spiral_info, namespace)")
            .datasource(CHOSEN)
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .sort(VariableSort.ALPHABETICAL_ASC)
            .include_all(True)
            .all_value(".*")
            .current(everything)
        )
    )
