"""What stops a run: signals, and the terminal that is closed under it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from spiral.launcher.signals import StopSignals

# Takes a terminal for its own, says that it listens, and goes on writing when the terminal is gone.
TALKER = """
import os, signal, sys
from spiral.launcher.signals import StopSignals
terminal = os.open(sys.argv[1], os.O_RDWR)
for number in range(3):
    os.dup2(terminal, number)
with StopSignals() as stop:
    print("listening", flush=True)
    if not stop.wait(30):
        sys.exit("nobody has closed the terminal")
    os.kill(os.getpid(), signal.SIGHUP)  # the shell's own
    print("ending", flush=True)
    print("ending", file=sys.stderr, flush=True)
sys.exit(7 if stop.hung_up and not stop.hurry else "that was another signal")
"""


def test_a_terminal_that_is_closed_stops_in_order_and_what_is_still_said_goes_nowhere() -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", TALKER, os.ttyname(theirs)]
    with subprocess.Popen(command, start_new_session=True) as talker:
        assert b"listening" in os.read(ours, 1024)
        os.close(theirs)
        os.close(ours)
        assert talker.wait(60) == 7


def test_a_sighup_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert not stop.requested
    finally:
        signal.signal(signal.SIGHUP, before)


def interrupted(stop: StopSignals, patience: int, seconds: float = 0.0) -> None:
    with stop.interruptible(patience, seconds):
        if not seconds:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGINT)
        signal.pause()


def test_signals_and_time_interrupt_what_may_be_interrupted_and_nothing_else() -> None:
    with StopSignals() as stop:
        with pytest.raises(KeyboardInterrupt):
            interrupted(stop, 0, 0.01)
        assert (stop.requested, stop.interrupted) == (False, None)
        with pytest.raises(KeyboardInterrupt):
            interrupted(stop, 1)
        assert (stop.hurry, stop.interrupted) == (True, signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
