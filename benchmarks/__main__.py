"""All of `make bench`: engines, Gymnasium, wire and whole loop; a table, and ``benchmarks/out/bench.json``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from benchmarks import engine, gym, loop, scenes, wire
from benchmarks.machine import OUT, describe_machine
from spiral.values import strict_json

PARTS: dict[str, Callable[[], dict[str, float]]] = {
    "engine": engine.run,
    "scenes": scenes.measure,
    "gym": gym.measure,
    "wire": wire.measure,
    "loop": loop.measure,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the named parts, or all, one after the other; nothing else should run meanwhile."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)} (default: all)")
    parts = parser.parse_args(argv).parts or list(PARTS)
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        parser.error(f"{', '.join(unknown)}: unknown; known parts: {', '.join(PARTS)}")
    results: dict[str, float | str | int] = {}
    for part in parts:
        print(f"measuring: {part}", file=sys.stderr)
        results |= PARTS[part]()
    results |= describe_machine()
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "bench.json").write_text(strict_json.report(results, indent=1) + "\n")
    table = Table("what", "measured")
    for name, value in results.items():
        table.add_row(name, f"{value:,.3f}" if isinstance(value, float) else str(value))
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
