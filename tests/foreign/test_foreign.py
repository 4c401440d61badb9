"""Services that somebody else might write, each from ``protos/`` alone, in the loop over real sockets."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from spiral.runs.directory import Run
from tests.support.launched import SMALL
from tests.support.processes import launch, until

HERE = Path(__file__).parent
ENGINE, SETTINGS = "mypaint", '{"brush": "classic/pen", "grid": 16, "brush_sizes": [1, 2, 4, 8], "view": 32}'
"""Engine and settings of the preset ``demo``."""
PATIENCE_S = 240.0
"""Whatever takes longer has failed; a learner that imports torch on a busy machine takes a minute to be there."""


@contextmanager
def script(name: str, log: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A script of this folder as a process."""
    command = [sys.executable, str(HERE / name), *arguments]
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, env=os.environ | environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.timeout(300)
def test_the_example_of_the_guide_keeps_all_promises_of_a_discriminator(tmp_path: Path) -> None:
    report = tmp_path / "report.txt"
    command = [sys.executable, "-m", "spiral.cli.main", "conformance", "discriminator", "--observation-shape=32x32x1"]
    with report.open("wb") as out:
        process = subprocess.run(
            [*command, f"--command={sys.executable} {HERE / 'symmetry.py'}"],
            env=os.environ | {"SPIRAL_OBSERVATION_SHAPE": "32x32x1"},
            stdout=out,
            stderr=out,
            check=False,
        )
    assert process.returncode == 0, report.read_text()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_learner_learns_from_a_foreign_actor_and_a_foreign_discriminator(tmp_path: Path) -> None:
    listen = {name: f"unix:{tmp_path}/{name}.sock" for name in ("renderer", "learner", "learner-data", "discriminator")}
    run, log = Run(tmp_path / "run"), tmp_path / "learner.log"
    with ExitStack() as stack:
        discriminator = {"SPIRAL_LISTEN": listen["discriminator"], "SPIRAL_OBSERVATION_SHAPE": "32x32x1"}
        stack.enter_context(script("symmetry.py", tmp_path / "symmetry.log", **discriminator))
        renderer = launch("renderer", f"--listen={listen['renderer']}", log=tmp_path / "renderer.log")
        stack.callback(renderer.wait)
        stack.callback(renderer.kill)
        options = [f"--set={key}={value}" for key, value in SMALL.items()]
        options += [f"--{name}={address}" for name, address in listen.items() if name != "learner"]
        learner = launch("learner", f"--listen={listen['learner']}", f"--run-dir={run.path}", *options, log=log)
        stack.callback(learner.wait)
        stack.callback(learner.kill)
        actor_log = tmp_path / "actor.log"
        actor = stack.enter_context(
            script(
                "random_actor.py",
                actor_log,
                f"--renderer={listen['renderer']}",
                f"--learner-data={listen['learner-data'].replace('unix:', 'ipc://')}",
                f"--engine={ENGINE}",
                f"--settings={SETTINGS}",
                f"--batch={SMALL['actor.batch']}",
                "--trajectories=12",
            )
        )
        assert actor.wait(PATIENCE_S) == 0, actor_log.read_text() + log.read_text()
        assert actor_log.read_text().endswith("12 trajectories accepted\n")

        def learnt() -> bool:
            assert learner.poll() is None, log.read_text()
            history = run.history()
            return bool(history) and history[-1]["frames"] > 0

        until(learnt, "learned frames", PATIENCE_S)
