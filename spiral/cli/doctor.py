"""``spiral doctor``: check whether this machine can train; one line per check, with the fix."""

from __future__ import annotations

import typer

from spiral.cli import options

SIGNS = {"good": ("✓", typer.colors.GREEN), "poor": ("!", typer.colors.YELLOW), "bad": ("✗", typer.colors.RED)}


def doctor(runs: options.Runs = options.RUNS) -> int:
    """Check Python, engines, ports and sockets, cores, memory, torch and GPU; exit code 1 if a check fails.

    ✓ fine, ! works but could be better, ✗ must be fixed.
    """
    from spiral.doctor import examine  # noqa: PLC0415

    worst = 0
    for finding in examine(runs):
        sign, colour = SIGNS[finding.state]
        typer.secho(sign, fg=colour, nl=False)
        typer.echo(f" {finding.subject:<12} {finding.text}" + (f"; {finding.fix}" if finding.fix else ""))
        worst = max(worst, finding.state == "bad")
    return worst
