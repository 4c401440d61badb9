"""One hosted service at a time: each handles this process's signals."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from spiral.conformance.target import Target
from spiral.wire.edges import Service
from tests.conformance.hosted import HOSTS


class Stage:
    """Hosts a service until another one, or a fresh one, is asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._living: tuple[Service, Target] | None = None
        self._count = 0

    def target(self, service: Service, fresh: bool = False) -> Target:
        """The target of a service; another one's is ended."""
        if self._living is None or self._living[0] != service or fresh:
            self.close()
            self._count += 1
            folder = self._folder / str(self._count)
            folder.mkdir()
            self._living = service, self._stack.enter_context(HOSTS[service](folder))
        return self._living[1]

    def close(self) -> None:
        """End what lives."""
        self._living = None
        self._stack.close()
