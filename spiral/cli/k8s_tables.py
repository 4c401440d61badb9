"""What ``spiral k8s`` shows: tables and lines of logs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from spiral.kubernetes.logs import Line
    from spiral.kubernetes.status import RunStatus

COLOURS = {
    "renderer": typer.colors.GREEN,
    "actor": typer.colors.CYAN,
    "learner": typer.colors.MAGENTA,
    "discriminator": typer.colors.YELLOW,
}
WIDEST = 400
SOURCE_WIDTH = 15
"""The longest ordinary name is discriminator-0; pods of Deployments are longer and shift their line."""


def show_line(line: Line) -> None:
    """One line of a log, with its source before it."""
    typer.secho(f"{line.source:<{SOURCE_WIDTH}}", fg=COLOURS.get(line.service), nl=False)
    typer.echo(f" {line.text}")


def show_status(status: RunStatus) -> None:
    """The pods as a table and the run in a few lines."""
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    for line in status.missing:
        typer.echo(line, err=True)
    if not status.parts and status.missing:
        return
    if not status.parts:
        typer.echo("no pods; `kubectl apply -k k8s/` starts a run, `spiral k8s doctor` says what prevents one")
        return
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading, justify in (
        ("pod", "left"),
        ("state", "left"),
        ("restarts", "right"),
        ("image", "left"),
        ("weights", "right"),
        ("frames/s", "right"),
        ("memory", "right"),
    ):
        table.add_column(heading, justify="right" if justify == "right" else "left", no_wrap=True)
    for part in status.parts:
        table.add_row(
            part.pod,
            part.state,
            str(part.restarts),
            part.image_version,
            part.weights or "–",
            _number(part.frames_per_s),
            "–" if part.memory_bytes is None else f"{part.memory_bytes / 2**20:,.0f} MiB",
        )
    # As wide as it has to be: a name that is cut or broken can't be copied.
    Console(soft_wrap=True, width=WIDEST).print(table)
    for line in _summary(status):
        typer.echo(line)
    for part in status.parts:
        if part.note:
            typer.echo(f"{part.pod}: metrics can't be read: {part.note}", err=True)


def _summary(status: RunStatus) -> list[str]:
    lines = []
    if status.learnt_frames is not None:
        lines.append(f"learned     {status.learnt_frames:,} frames, {status.updates or 0:,} updates")
    lines.append(
        f"frames/s    rendered {_number(status.rendered_per_s)}, painted {_number(status.painted_per_s)}, "
        f"learned {_number(status.learnt_per_s)}"
    )
    if status.bottleneck:
        lines.append(f"bottleneck  {status.bottleneck}")
    if status.lag is not None:
        least, mean, most = status.lag
        lines.append(f"policy lag  {least:.0f} to {most:.0f} updates, mean {mean:.1f}")
    if status.actors is not None:
        demand = "" if status.actor_demand is None else f", the learner could feed on {status.actor_demand:.0f}"
        lines.append(f"actors      {status.actors}{demand}")
    if status.score_real is not None and status.score_painted is not None:
        lines.append(f"scores      real {status.score_real:+.3f}, painted {status.score_painted:+.3f}")
    if len(status.versions) > 1:
        lines.append(f"versions    {', '.join(status.versions)}: a roll-out is under way, or images are mixed")
    return lines


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"
