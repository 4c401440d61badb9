"""Fuzzes a target by coverage, with atheris (``pip install atheris``)::

    python -m tests.fuzz program --seconds 600 --out /tmp/fuzz

``--out`` keeps what was found: inputs that reach new code in ``<target>/``, failing ones as ``crash-…``. The last line
is a JSON object with the figures. Ends with 1 where an input failed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz import corpus

INSTRUMENTED = ["spiral", "numpy.lib", "zipfile", "gzip"]
"""Python code whose branches count as coverage; the rest is C or not ours."""
LONGEST_BYTES = 1 << 16
"""Longest input that is tried."""
RSS_LIMIT_MB = 4096
"""Beyond it libFuzzer ends with a finding; what each target may take is checked input by input, far below."""


def main(argv: Sequence[str] | None = None) -> int:
    """Fuzz in a process of its own, because libFuzzer ends the one it runs in."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "spiral-fuzz")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.inside:
        _fuzz(arguments.target, arguments.seconds, arguments.out)
    found = arguments.out / arguments.target
    found.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.fuzz", arguments.target, f"--seconds={arguments.seconds}"]
    log = arguments.out / f"{arguments.target}.log"
    start = time.monotonic()
    with log.open("w") as out:
        process = subprocess.run([*command, f"--out={arguments.out}", "--inside"], stdout=out, stderr=out, check=False)
    figures = {
        "target": arguments.target,
        "seconds": round(time.monotonic() - start),
        "executions": _executions(log.read_text(errors="replace")),
        "inputs": len(list(found.iterdir())),
        "failures": sorted(
            path.name for path in arguments.out.glob(f"{arguments.target}-*") if "-slow-unit-" not in path.name
        ),
        "code": process.returncode,
    }
    print(json.dumps(figures))
    return 1 if process.returncode else 0


def _fuzz(name: str, seconds: int, out: Path) -> None:
    import atheris  # noqa: PLC0415  # only who fuzzes needs it

    with atheris.instrument_imports(include=INSTRUMENTED):
        from tests.fuzz.targets import TARGETS, check, silenced  # noqa: PLC0415  # seen by atheris from here on
    silenced()
    target = TARGETS[name]
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={LONGEST_BYTES}",
        f"-rss_limit_mb={RSS_LIMIT_MB}",
        f"-artifact_prefix={out}/{name}-",
        "-timeout=60",
        "-print_final_stats=1",
    ]
    kept = out / "kept" / name  # not a temporary folder: libFuzzer ends the process, and nobody would remove it
    kept.mkdir(parents=True, exist_ok=True)
    for file, content in corpus.read(name).items():
        (kept / file).write_bytes(content)
    atheris.Setup([sys.argv[0], *options, str(out / name), str(kept)], lambda data: check(target, data))
    atheris.Fuzz()


def _executions(log: str) -> int:
    lines = [line for line in log.splitlines() if line.startswith("stat::number_of_executed_units")]
    return int(lines[-1].split()[-1]) if lines else 0


if __name__ == "__main__":
    sys.exit(main())
