"""``spiral train`` as a real process with its four services, for the tests that need a whole run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import psutil

from spiral.runs.directory import Run
from spiral.wire.edges import SERVICES

T = TypeVar("T")

MARK = "LAUNCHED_BY_TEST"
"""Environment variable by which the processes of one launcher are told from all others."""
PATIENCE_S = 150.0
"""Whatever takes longer has failed; four processes that import torch on a busy machine take half a minute."""
SMALL = {
    "actor.batch": 16,
    "learner.batch": 16,
    "learner.checkpoint_s": 2,
    "learner.sample_s": 2,
    "policy.width": 32,
    "discriminator.channels": "[8, 8, 8]",
}
"""Settings on top of the preset ``demo`` that make everything small."""
PLAIN = f"--preset={Path(__file__).parents[2] / 'spiral' / 'presets' / 'demo.yaml'}"
"""The preset ``demo`` by its file: without that name nobody paints with the models that ship, which takes seconds."""


class Launched:
    """A running ``spiral train`` and what it has said."""

    def __init__(
        self,
        runs: Path,
        *arguments: str,
        name: str = "tiny",
        settings: Mapping[str, object] = SMALL,
        prefix: Sequence[str] = (),
    ) -> None:
        """``prefix`` starts it in a certain way, for example with fewer rights."""
        self.run = Run(runs / name)
        self._mark = uuid.uuid4().hex
        self.output = runs / f"{name}.out"
        runs.mkdir(exist_ok=True)
        command = [
            *prefix,
            sys.executable,
            "-m",
            "spiral.cli.main",
            "train",
            f"--runs={runs}",
            f"--run={name}",
            "--judge=128",
            *(f"--set={key}={value}" for key, value in settings.items()),
        ]
        with self.output.open("ab") as out:
            self.process = subprocess.Popen(
                [*command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env={**os.environ, MARK: self._mark},
            )

    def text(self) -> str:
        """All it printed, this start and earlier ones."""
        return self.output.read_text()

    def objects(self, kind: str) -> list[Any]:
        """The objects of a kind among the lines it printed: ``event``, ``progress``, ``ending``."""
        lines = [json.loads(line) for line in self.text().splitlines() if line.startswith("{")]
        return [line[kind] for line in lines if kind in line]

    def until(self, condition: Callable[[], T], what: str, alive: bool = True) -> T:
        """Ask until the answer is true; fail after PATIENCE_S, or when the launcher has ended where it should live."""
        end = time.monotonic() + PATIENCE_S
        while not (answer := condition()):
            ended = alive and self.process.poll() is not None
            assert not ended, f"the launcher ended with {self.process.returncode} before {what}:\n{self.text()}"
            assert time.monotonic() < end, f"waited {PATIENCE_S} s in vain for {what}:\n{self.text()}\n{self.logs()}"
            time.sleep(0.02)
        return answer

    def until_frames(self, frames: int) -> None:
        """Wait until so many frames have been learned, by the history."""
        self.until(lambda: self.frames() >= frames, f"{frames} frames")

    def frames(self) -> int:
        """Learned frames by the history's last record."""
        history = self.run.history()
        return int(history[-1]["frames"]) if history else 0

    def wait(self, patience_s: float = PATIENCE_S) -> int:
        """Wait for its end; the exit code."""
        return self.process.wait(patience_s)

    def signal(self, number: int) -> None:
        """Send a signal to its process group, as a terminal does."""
        os.killpg(self.process.pid, number)

    def services(self) -> dict[str, psutil.Process]:
        """Its living services by name, found by what they inherit from the launcher, whoever their parent is now."""
        found = {}
        for process in psutil.process_iter(["cmdline", "environ", "status"]):
            command = " ".join(process.info["cmdline"] or [])
            marked = (process.info["environ"] or {}).get(MARK) == self._mark
            if marked and process.info["status"] != psutil.STATUS_ZOMBIE:
                found |= {name: process for name in SERVICES if f"spiral.services.{name} " in command}
        return found

    def until_painting(self) -> None:
        """Wait until all services live and have learned something together."""
        self.until(lambda: len(self.services()) == len(SERVICES), "four services")
        self.until_frames(1)

    def until_gone(self) -> None:
        """Wait until no service is left."""
        self.until(lambda: not self.services(), "the services to end", alive=False)

    def logs(self) -> str:
        """The ends of the services' logs."""
        return "\n".join(f"{log.name}:\n{log.read_text()[-1500:]}" for log in sorted(self.run.logs.glob("*.log")))

    def end(self) -> None:
        """Leave nothing running."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        self.until_gone()
