"""Splits the cores of one machine between the services."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from spiral.wire.edges import SERVICES

IN_PROCESS = "in-process"
"""Name under which the threads of ``--in-process`` are stored. The default is 1, because their number changes the last
bits of sums."""
NAMES = (*SERVICES, IN_PROCESS)


def split(cores: int) -> dict[str, int]:
    """Threads for each service on ``cores`` cores.

    Each service gets a quarter. What is left over goes to learner and discriminator, whose matrix products use threads
    best. On fewer than four cores each gets one, because the services then take turns anyway.
    """
    quarter, rest = divmod(max(cores, len(SERVICES)), len(SERVICES))
    threads: dict[str, int] = dict.fromkeys(SERVICES, quarter)
    threads["learner"] += (rest + 1) // 2
    threads["discriminator"] += rest // 2
    return {**threads, IN_PROCESS: 1}


def parse(settings: Iterable[str]) -> dict[str, int]:
    """``["learner=2"]`` → ``{"learner": 2}``; ValueError for an unknown service or a number outside 1…256."""
    threads = {}
    for setting in settings:
        service, _, number = setting.partition("=")
        if service not in NAMES:
            raise ValueError(
                f'threads: "{setting}" names no service; expected for example learner=2, with one of {", ".join(NAMES)}'
            )
        if not number.isdigit() or not 1 <= int(number) <= 256:
            raise ValueError(f'threads: "{setting}" gives no number of threads for {service}; expected 1 to 256')
        threads[service] = int(number)
    return threads


def choose(cores: int, stored: Mapping[str, int], wanted: Mapping[str, int]) -> dict[str, int]:
    """The wanted threads; else those that the run began with; else a split of these cores."""
    return split(cores) | {name: count for name, count in stored.items() if name in NAMES} | dict(wanted)
