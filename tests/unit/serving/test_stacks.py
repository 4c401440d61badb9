"""What the services of a run on this machine are doing, read from their logs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from spiral.serving.stacks import stacks_of_run

HUNG = """
import faulthandler, signal, threading
faulthandler.register(signal.SIGUSR1, 2, all_threads=True)
def waits_for_ever():
    print("ready", flush=True)
    threading.Event().wait()
waits_for_ever()
"""


def test_services_are_asked_and_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "renderer.log").write_text("an earlier line\n")
    with (tmp_path / "renderer.log").open("a") as log:
        command = [sys.executable, "-c", HUNG, "spiral.services.renderer"]
        hung = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
    other = subprocess.Popen(["sleep", "600"])
    starting = subprocess.Popen(["sh", "-c", "sleep 600", "spiral.services.actor"])
    try:
        assert hung.stdout is not None
        assert hung.stdout.readline() == b"ready\n"
        ((name, text),) = stacks_of_run(os.getpid(), tmp_path)
        assert name == "renderer"
        assert "in waits_for_ever" in text
        assert "an earlier line" not in text
        assert (other.poll(), starting.poll()) == (None, None), "the signal would have ended them"
    finally:
        for process in (hung, other, starting):
            process.kill()
            process.wait()
