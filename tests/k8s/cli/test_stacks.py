"""What a hung service is doing, asked through the cluster, and the learning curve of a run that has ended."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from spiral.kubernetes import stacks
from spiral.serving.stacks import last_stacks
from tests.k8s.api.server import ApiServer
from tests.k8s.cli.conftest import K8s
from tests.support.processes import until

HUNG = """
import faulthandler, signal, sys, threading
faulthandler.register(signal.SIGUSR1, open(sys.argv[1], "w"), all_threads=True)
def waits_for_ever():
    print("ready", flush=True)
    threading.Event().wait()
waits_for_ever()
"""


def test_stacks_of_a_hung_service_are_shown(
    server: ApiServer, k8s: K8s, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, processes = tmp_path / "log", tmp_path / "proc"
    processes.mkdir()
    monkeypatch.setattr(stacks, "PROCESSES", str(processes))  # of all processes of this machine, these two alone
    deaf = subprocess.Popen(["sleep", "600"])
    hung = subprocess.Popen([sys.executable, "-c", HUNG, log], stdout=subprocess.PIPE)
    container = server.kubelet.container("learner-0")

    def tell() -> None:
        said = until(lambda: last_stacks(log.read_text()), "the stacks")
        for line in said.splitlines():
            container.say(line)

    teller = threading.Thread(target=tell)
    try:
        assert hung.stdout is not None
        assert hung.stdout.readline() == b"ready\n"
        for process in (deaf, hung):
            (processes / str(process.pid)).symlink_to(f"/proc/{process.pid}")
        teller.start()
        assert "in waits_for_ever" in k8s("stacks", "learner")
        assert deaf.poll() is None, "the signal ends who does not handle it, so it gets none"
    finally:
        for process in (deaf, hung):
            process.kill()
            process.wait()
        teller.join()


def test_who_has_no_pod_or_starts_still_is_told_so(
    server: ApiServer, refused: K8s, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks, "PROCESSES", str(tmp_path))
    assert "has no process that logs its stacks" in refused("stacks", "learner")
    assert "painter" in refused("stacks", "painter")


def test_the_learning_curve_is_fetched_whether_the_learner_runs_or_not(
    server: ApiServer, k8s: K8s, tmp_path: Path
) -> None:
    run = server.kubelet.claim("state-learner-0") / "run"
    run.mkdir(parents=True)
    (run / "history.jsonl").write_text('{"frames": 64}\n{"frames": 128}\n')
    out = tmp_path / "curve.jsonl"
    assert "2 records" in k8s("history", "--out", str(out))
    k8s("scale", "learner=0", "--wait", "60")
    k8s("history", "--out", str(out))
    assert out.read_text() == (run / "history.jsonl").read_text()


def test_only_whole_stacks_are_taken_and_the_newest() -> None:
    dump = 'Thread 0x1 (most recent call first):\n  File "a", line {}\n\nCurrent thread 0x2 (most recent call first):\n'
    log = f'a line\n{dump.format(1)}  File "b", line 1\nanother line\n{dump.format(2)}  File "b", line 2\n'
    assert last_stacks(log) == dump.format(2) + '  File "b", line 2\n'
    assert last_stacks("a line\n" + dump.format(3)[:40]) == ""
