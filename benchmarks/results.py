"""Writes the tables of docs/results.md from the rows of docs/results/*.csv: ``python -m benchmarks.results``.

A figure lives once, in one row. The page's prose is written by hand, between the tables.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from itertools import groupby
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
PAGE, ROWS = DOCS / "results.md", DOCS / "results"
_TABLE = re.compile(r"(?<=<!-- rows: )(\w+)( -->\n).*?(?=<!-- end of rows -->)", re.DOTALL)
LONGEST_COMMAND = 160
"""Characters of a cell's commands that are shown without a click."""
_RUNNABLE = ("spiral ", "make ", "python ", ".venv/", "pytest ", "buildah ")


@dataclass(frozen=True)
class Row:
    """One figure. An empty cell was not recorded; a row without a value names something that was not measured."""

    what: str
    """The model, preset, claim or thing measured. Neighbors of one ``what`` share a line of the page."""
    picture: str = ""
    """A file of docs/pictures."""
    bar: str = ""
    figure: str = ""
    value: str = ""
    """A number as measured, with its digits. Repeats of a measurement are separate rows."""
    low: str = ""
    high: str = ""
    interval: str = ""
    """What ``low`` and ``high`` are, if they are not a 95 % interval."""
    unit: str = ""
    reference: str = ""
    """The figure of real pictures, or of blank paper."""
    over: str = ""
    """How repeats differ: training seeds, seeds of painting, runs."""
    frames: str = ""
    command: str = ""
    """The command that made it; consecutive parts are joined by ``; then``."""
    evaluation: str = ""
    """The command that measured it, if that is another one."""
    machine: str = ""
    """A name of machines.csv."""
    date: str = ""
    verdict: str = ""
    note: str = ""
    notebook: str = ""
    """Page and section of docs/notebook."""
    same_as: str = ""
    """``table/what/figure`` of rows elsewhere, for a figure that belongs there; filled cells replace theirs."""


def read(table: str) -> list[Row]:
    """The rows of one file; rows that refer to others are replaced by them.

    Raises ValueError if a row names columns or rows that do not exist.
    """
    with (ROWS / f"{table}.csv").open(newline="") as file:
        reader = csv.DictReader(file, strict=True)
        if reader.fieldnames != [field.name for field in fields(Row)]:
            raise ValueError(f"{table}.csv: expected the columns {', '.join(f.name for f in fields(Row))}")
        return [found for cells in reader for found in _resolved(Row(**cells))]


def _resolved(row: Row) -> list[Row]:
    if not row.same_as:
        return [row]
    table, what, figure = row.same_as.split("/")
    own = {field.name: cell for field in fields(Row) if (cell := getattr(row, field.name))}
    elsewhere = [other for other in read(table) if (other.what, other.figure) == (what, figure)]
    found = [replace(other, **{"bar": "", "verdict": "", "picture": ""} | own) for other in elsewhere]
    if not found:
        raise ValueError(f"{row.same_as}: no such row (same_as of {row.what!r})")
    return found


def page(text: str) -> str:
    """The page ``text`` with every table between its marks rewritten."""
    return _TABLE.sub(lambda match: match[1] + match[2] + TABLES[match[1]](), text)


def _measured(rows: list[Row]) -> str:
    """Each figure with its intervals and references, a line each; repeats side by side."""
    lines = []
    for _, repeats in groupby(rows, lambda row: (row.figure, row.over or row.machine, row.reference)):
        same = list(repeats)
        first = same[0]
        line = f"{first.figure}: " if first.figure else ""
        line += ", ".join(_value(row) for row in same if row.value) or "not measured"
        line += f" ({len(same)} {first.over})" if first.over else ""
        if first.machine and not first.over and len({row.machine for row in rows}) > 1:
            line += f" on {first.machine}"
        lines.append(line + (f"; {first.reference}" if first.reference else ""))
    return "<br>".join(lines)


def _value(row: Row) -> str:
    number = f"**{_number(row.value, row.unit)}**"
    if not row.low:
        return number
    kind = f", {row.interval}" if row.interval else ""
    return f"{number} ({_number(row.low)} … {_number(row.high)}{kind})"


def _number(value: str, unit: str = "") -> str:
    if unit == "s" and float(value) >= 120:
        return f"{int(value) // 60} min {int(value) % 60} s"
    grouped = f"{int(value):,}" if value.isdigit() else value
    return f"{grouped} {unit}".strip()


def _how(rows: list[Row]) -> str:
    """Commands, frames, machine, date, conditions and links to more; the distinct values of each, in order."""
    dates: dict[str, list[str]] = {}
    for row in rows:
        dates.setdefault(row.machine or "machine not recorded", []).append(row.date or "date not recorded")
    where = [f"{machine}, {_distinct(days, ' and ')}" for machine, days in dates.items()]
    notebook = [f"[notebook](notebook/{row.notebook})" for row in rows if row.notebook]
    facts = [
        _frames([int(row.frames) for row in rows if row.frames]),
        *(_distinct(part, "; ") for part in (where, [row.note for row in rows if row.note], notebook)),
    ]
    return f"{_commands(rows)}<br>{' · '.join(filter(None, facts))}"


def _commands(rows: list[Row]) -> str:
    """Short commands are shown, long ones folded; the command of a figure that belongs elsewhere is there."""
    elsewhere = [row.same_as.split("/") for row in rows if row.same_as]
    places = [f"see {what} in the [{table}](#the-{table})" for table, what, _ in elsewhere]
    parts = [_code(part) for row in rows if not row.same_as for part in (row.command, row.evaluation) if part]
    shown = _distinct([*places, *parts], "<br>") or "command not recorded"
    return shown if len(shown) <= LONGEST_COMMAND else f"<details><summary>commands</summary>{shown}</details>"


def _frames(counts: list[int]) -> str:
    """Frames in millions; if counts differ, the smallest and the largest."""
    ends = sorted({min(counts), max(counts)}) if counts else []
    return " to ".join(f"{count / 1e6:.3g} M" for count in ends) + (" frames" if ends else "")


def _distinct(parts: Iterable[str], between: str) -> str:
    return between.join(dict.fromkeys(parts))


def _code(command: str) -> str:
    """Each part of a command as code; a part that is only a description stays text."""
    parts = command.split("; then ")
    return "; then ".join(f"`{part}`" if part.startswith(_RUNNABLE) else part for part in parts)


def _picture(rows: list[Row]) -> str:
    name = next((row.picture for row in rows if row.picture), "")
    return f'<a href="pictures/{name}"><img src="pictures/{name}" width="240" alt="{rows[0].what}"></a>' if name else ""


COLUMNS: dict[str, Callable[[list[Row]], str]] = {
    "what": lambda rows: rows[0].what,
    "picture": _picture,
    "bar": lambda rows: rows[0].bar,
    "measured": _measured,
    "verdict": lambda rows: rows[0].verdict,
    "how": _how,
}


def _table(name: str, *columns: str) -> str:
    lines = [[name.removesuffix("s"), *columns[1:]], ["---" for _ in columns]]
    for _, rows in groupby(read(name), lambda row: row.what):
        group = list(rows)
        lines.append([COLUMNS[column](group) for column in columns])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _machines() -> str:
    with (ROWS / "machines.csv").open(newline="") as file:
        rows = list(csv.reader(file, strict=True))
    return "".join(f"| {' | '.join(line)} |\n" for line in (rows[0], ["---", "---"], *rows[1:]))


TABLES: dict[str, Callable[[], str]] = {
    "models": lambda: _table("models", "what", "picture", "measured", "how"),
    "presets": lambda: _table("presets", "what", "picture", "bar", "measured", "verdict", "how"),
    "claims": lambda: _table("claims", "what", "picture", "bar", "measured", "verdict", "how"),
    "performance": lambda: _table("performance", "what", "bar", "measured", "verdict", "how"),
    "machines": _machines,
}


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
