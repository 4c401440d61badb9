"""The processes of a run on one machine, and the options of each."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from spiral.launcher.options import Computing
from spiral.launcher.processes import Command
from spiral.launcher.run_directory import OpenRun
from spiral.launcher.supervision import Service
from spiral.runs.checkpoint_counters import CheckpointCounters
from spiral.runs.limits import Limits
from spiral.wire.edges import SERVICES

STAGES: tuple[tuple[str, ...], ...] = (("actor", "renderer"), ("learner",), ("discriminator",))
"""Order of stopping: first the services that bring new work, then the learner, which may still need scores."""
GRACE_S = {"actor": 10.0, "renderer": 10.0, "learner": 60.0, "discriminator": 60.0}
"""Time to stop. Learner and discriminator write a checkpoint, and a slow disk must not cost it."""
NICENESS = {"actor": 5, "renderer": 5, "learner": 0, "discriminator": 5}
"""If there are fewer cores than threads, the learner goes first: the others can work ahead, and nothing waits for them.

The learner is then the only service that never waits (93 % of a core on two). Two alternating pairs of 20 s on two
cores: 2,440 and 2,724 frames/s without niceness, 2,459 and 2,904 with it. This says nothing about machines with enough
cores, or about clusters."""

PLAINTEXT = tuple(f"SPIRAL_{name}" for name in ("TLS_CA", "TLS_CERT", "TLS_KEY", "CURVE_KEY", "CURVE_PEERS"))
"""Environment variables of the encryption options."""


def addresses(folder: Path) -> dict[str, str]:
    """The address of each service of a run: Unix sockets in ``folder``."""
    return {name: f"unix:{folder / name}.sock" for name in SERVICES}


def compose(
    opened: OpenRun,
    folder: Path,
    threads: Mapping[str, int],
    limits: Limits,
    parent_pipe: int,
    computing: Computing,
) -> list[list[Service]]:
    """The four services, in the order in which they stop.

    ``parent_pipe`` is the end of a pipe that closes when the launcher ends. The services keep the run's lock as long as
    one of them lives.
    """
    run = opened.run
    where = addresses(folder)
    peers = [f"--{name}={where[name]}" for name in ("renderer", "learner", "discriminator")]
    run_options = [f"--config={run.config_file}", *peers, f"--learner-data=unix:{folder / 'learner-data.sock'}"]
    trains = [f"--run-dir={run.path}", f"--device={computing.device}", f"--precision={computing.precision}"]
    own = {
        # The actor that uses its streams stops at the same moment, so there is nothing to wait for.
        "renderer": ["--grace-s=2"],
        "actor": [*run_options, "--grace-s=2"],
        "learner": [
            *run_options,
            *trains,
            "--at-limit=exit",
            *_limits(limits, opened.learnt),
            f"--schedule-from={opened.schedule_from}",
        ],
        "discriminator": [*run_options, *trains],
    }

    def service(name: str) -> Service:
        argv = [
            sys.executable,
            "-m",
            f"spiral.services.{name}",
            f"--listen={where[name]}",
            f"--threads={threads[name]}",
            f"--parent-pipe={parent_pipe}",
            *own[name],
        ]
        # Libraries size their pools before a service can tell them how many threads it may use.
        # gRPC's own messages about closed connections would only clutter a service's log.
        environment = {"GRPC_VERBOSITY": "ERROR", "OMP_NUM_THREADS": str(threads[name]), "PYTHONUNBUFFERED": "1"}
        # Keys for services elsewhere are not meant for this user's own sockets, which the launcher uses, too.
        environment |= dict.fromkeys(PLAINTEXT, "")
        command = Command(name, argv, run.logs / f"{name}.log", environment, (parent_pipe, opened.lock), NICENESS[name])
        ends_run = name == "learner" and limits != Limits()
        return Service(command, GRACE_S[name], ends_run, partial(opened.divergence, name, computing.precision))

    return [[service(name) for name in stage] for stage in STAGES]


def _limits(limits: Limits, learnt: CheckpointCounters) -> list[str]:
    options = []
    if limits.minutes is not None:
        # A learner that dies and is restarted keeps the same time limit.
        options += [f"--limit-minutes={limits.minutes}", f"--limit-from-s={learnt.elapsed_s}"]
    if limits.frames is not None:
        options.append(f"--limit-frames={limits.frames}")
    return options
