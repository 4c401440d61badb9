"""Shows results on a terminal or in a log: one line a case."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from spiral.conformance.running import Outcome, Result
from spiral.conformance.target import Target

SIGNS: dict[Outcome, tuple[str, str]] = {
    "passed": ("✓", "green"),
    "failed": ("✗", "bold red"),
    "skipped": ("–", "yellow"),
}


class Printer:
    """Prints each result as it comes, under the heading of its group."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._group = ""

    def tell(self, result: Result) -> None:
        """One line: what holds, or why it does not, or why nobody knows."""
        if result.case.group != self._group:
            self._group = result.case.group
            self._console.print(Text(self._group, style="bold"))
        sign, style = SIGNS[result.outcome]
        line = Text(f"  {sign} ", style=style) + Text(
            result.case.sentence, style="" if result.outcome == "passed" else style
        )
        self._console.print(line, soft_wrap=True)
        if result.why:
            self._console.print(
                Text(f"      {result.outcome}: {result.why}", style=style), soft_wrap=True, highlight=False
            )

    def measured(self, target: Target) -> None:
        """A table of what the load cases measured."""
        if not target.measurements:
            return
        table = Table(box=None, padding=(0, 2, 0, 0))
        columns = list(target.measurements[0])
        for column in columns:
            table.add_column(column, justify="right")
        for row in target.measurements:
            table.add_row(
                *(f"{row[column]:,}" if isinstance(row[column], int | float) else row[column] for column in columns)
            )
        self._console.print(table)

    def summed_up(self, results: Sequence[Result], target: Target, level: str) -> None:
        """How many passed, failed and were skipped."""
        counts = {outcome: sum(r.outcome == outcome for r in results) for outcome in SIGNS}
        words = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        self._console.print(Text(f"{target.service} at {target.address}, level {level}: {words}", style="bold"))
