"""How well a preset paints after some minutes: ``python -m benchmarks.learning --preset mnist --minutes 15``."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.machine import OUT, describe_machine
from spiral.evaluation.digits import default_reference, evaluate_pictures
from spiral.models.with_torch import load_trained
from spiral.runs.directory import Run
from spiral.values import strict_json

PAINTINGS = 4096
SEED = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Train from nothing, paint, evaluate, and write ``benchmarks/out/learning.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="mnist", help="what to learn (default: mnist)")
    parser.add_argument("--minutes", type=float, default=15.0, help="how long, minutes (default: 15)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="single settings")
    parser.add_argument("--run", default="", help="name of the run in runs/ (default: bench-PRESET)")
    arguments = parser.parse_args(argv)
    name = arguments.run or f"bench-{arguments.preset}"
    command = [sys.executable, "-m", "spiral.cli.main", "train", "--fresh", "--run", name]
    command += ["--preset", arguments.preset, "--minutes", str(arguments.minutes)]
    for setting in arguments.set:
        command += ["--set", setting]
    subprocess.run(command, check=True)
    run = Run(Path("runs") / name)
    trained = load_trained(run)
    paintings, _ = trained.paint(PAINTINGS, SEED, None)
    report = evaluate_pictures(paintings, default_reference(split=trained.config.tuning_split))
    seconds = run.history()[-1]["seconds"]
    result = {
        "lenet_fid": report.lenet_fid,
        "real_fid": report.real_fid,
        "reference": report.reference,
        "reference_size": report.reference_size,
        "split": report.split,
        "frames": trained.frames,
        "seconds": seconds,
        "fps": trained.frames / seconds,
        "preset": arguments.preset,
        "settings": arguments.set,
        **describe_machine(),
    }
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "learning.json").write_text(strict_json.report(result, indent=1) + "\n")
    print(strict_json.report(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
