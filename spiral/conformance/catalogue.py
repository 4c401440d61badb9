"""All cases, by service, in the order in which they run."""

from __future__ import annotations

import importlib

from spiral.conformance.case import GROUPS, Case, Level
from spiral.wire.edges import Service

EVERY = ("identity", "health", "metrics_page")
MODULES: dict[Service, tuple[str, ...]] = {
    "renderer": (
        "description",
        "opening",
        "actions",
        "determinism",
        "semantics",
        "rendering",
        "cancellation",
        "stream_limit",
        "sizes",
        "newer_callers",
        "load",
        "draining",
    ),
    "actor": ("painting", "unrolls", "sending", "load"),
    "learner": ("weights", "greeting", "trajectories", "delivery", "learning", "unrolls", "load"),
    "discriminator": ("headers", "scoring", "remembering", "endings", "sampling", "interruption", "sizes"),
}
"""Which modules of ``spiral.conformance`` hold the cases of a service, beside those of every service."""


def cases_of(service: Service, level: Level = "extended", load: bool = False) -> list[Case]:
    """The cases of a service up to a level; those that measure only with ``load``."""
    names = [*(f"every.{name}" for name in EVERY), *(f"{service}.{name}" for name in MODULES[service])]
    modules = [importlib.import_module(f"spiral.conformance.{name}") for name in names]
    found = [
        value
        for module in modules
        for value in vars(module).values()
        # Some run cases of another module in circumstances of their own.
        if isinstance(value, Case) and value.run.__module__ == module.__name__ and service in value.services
    ]
    wanted = [
        each for each in found if (level == "extended" or each.level == "core") and (load or each.group != "load")
    ]
    return sorted(wanted, key=lambda each: GROUPS.index(each.group))
