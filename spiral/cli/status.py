"""``spiral status``: list the runs of a folder, and which of them are training."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from spiral.cli import options
from spiral.values import strict_json

if TYPE_CHECKING:
    from spiral.runs.directory import Run


def status(
    run: Annotated[
        str | None, typer.Option("--run", help="One run only (default: all).", metavar="NAME", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per line instead of a table.")] = False,
    stacks: Annotated[
        bool, typer.Option("--stacks", help="Show what all threads of the running services are doing instead.")
    ] = False,
    runs: options.Runs = options.RUNS,
) -> None:
    """List the runs: preset, learned frames, time, scores, and the process that trains."""
    from spiral.runs.directory import find_run, list_runs, summarise  # noqa: PLC0415

    found = [find_run(runs, run)] if run else list_runs(runs)
    summaries: list[dict[str, Any]] = []
    for each in found:
        try:
            summaries.append(summarise(each))
        except ValueError as error:  # a run that can't be read must not hide the others
            if run:
                raise
            summaries.append({"run": each.name, "error": str(error)})
    if stacks:
        _show_stacks([(each, summary.get("pid")) for each, summary in zip(found, summaries, strict=True)])
        return
    if as_json:
        for summary in summaries:
            typer.echo(strict_json.report(summary))
        return
    if not summaries:
        typer.echo(f"no runs in {runs} yet; `spiral train` starts one")
        return

    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("run", "preset", "frames", "minutes", "score real", "painted", "state"):
        table.add_column(
            heading, justify="right" if heading in {"frames", "minutes", "score real", "painted"} else "left"
        )
    for summary in summaries:
        if "error" in summary:
            table.add_row(summary["run"], "–", "–", "–", "–", "–", Text(f"unreadable: {summary['error']}"))
            continue
        table.add_row(
            summary["run"],
            summary["preset"],
            f"{summary['frames']:,}",
            f"{summary['seconds'] / 60:.1f}",
            *(_score(summary.get(key)) for key in ("score_real", "score_painted")),
            f"training, process {summary['pid']}" if summary["pid"] else "stopped",
        )
    Console().print(table)


def _show_stacks(found: list[tuple[Run, int | None]]) -> None:
    """The stacks of the services of all runs that train."""
    from spiral.serving.stacks import stacks_of_run  # noqa: PLC0415

    shown = False
    for run, pid in found:
        for service, text in stacks_of_run(pid, run.logs) if pid else []:
            shown = True
            typer.echo(f"{run.name}, {service}\n\n{text or 'no stacks within ten seconds: it is stopped, or starved'}")
    if not shown:
        raise ValueError("stacks: no run is training here; `spiral status` lists the runs")


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:+.3f}"
