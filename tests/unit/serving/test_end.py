"""A service ends within its limits, whatever hangs: a last resort, with a line, the stacks and exit code 1."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import PATIENCE_S

# A service in which one part, named by the argument, hangs forever.
HANGING = """
import sys, threading
from spiral.serving import service as serving
from spiral.serving.metrics import new_metrics
from spiral.serving.options import ServiceOptions
what, hang = sys.argv[3], lambda *arguments: threading.Event().wait()
serving.CUT_OFF_S = 0.5
options = ServiceOptions(listen=sys.argv[1], parent_pipe=int(sys.argv[2]), grace_s=0)
with serving.Serving("discriminator", options, new_metrics("discriminator"), finish_s=0.5) as shell:
    shell.on_end(lambda: print("the end", flush=True))
    if what == "its last work":
        shell.on_end(hang)
    if what == "gRPC":
        shell.server.stop = hang
    shell.start()
    print("ready", flush=True)
    hang() if what == "its main loop" else shell.wait()
"""


@pytest.mark.parametrize(
    ("what", "orphan", "said", "line"),
    [
        ("its last work", True, "the end\n", "not ended 1 s after the stop"),
        ("its main loop", False, "", "not ended 1 s after the stop"),
        ("gRPC", False, "the end\n", "gRPC did not close within 0.5 s"),
    ],
)
def test_what_hangs_keeps_no_service_alive(tmp_path: Path, what: str, orphan: bool, said: str, line: str) -> None:
    reading, writing = os.pipe()
    command = [sys.executable, "-c", HANGING, f"unix:{tmp_path}/s", str(reading), what]
    with subprocess.Popen(
        command, pass_fds=[reading], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        os.close(reading)
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            if not orphan:
                process.send_signal(signal.SIGTERM)
            else:
                os.close(writing)
            out, log = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
            if not orphan:
                os.close(writing)
    assert (process.returncode, out) == (1, said)
    assert line in log
    assert "in hang" in log or "in <lambda>" in log, "the stacks say where it hangs"
