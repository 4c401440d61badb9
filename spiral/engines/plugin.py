"""What a package brings with an engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from spiral.engines.interface import Engine, EngineMissingError
from spiral.values.finding import Finding


@dataclass(frozen=True, slots=True)
class Environment:
    """A Gymnasium environment that :mod:`spiral.gym` registers; its classes by ``module:name``, so nothing is imported.

    They are called with the argument ``engine``, the engine's name.
    """

    id: str
    """For example ``spiral/Crayon-v0``."""
    single: str = "spiral.gym.single:EngineEnv"
    vector: str = "spiral.gym.vector:EngineVectorEnv"


class EnginePlugin(ABC):
    """An engine as others find it: by its name, before anything that it needs is imported.

    The module that holds one imports fast and everywhere; :meth:`create` imports the rest.
    """

    name: ClassVar[str]
    """What programs and configurations call the engine: letters, digits, ``-`` and ``_``."""
    environment: ClassVar[Environment | None] = None
    """None: Gymnasium does not know the engine."""
    debian_packages: ClassVar[tuple[str, ...]] = ()
    """What the renderer's image installs for it."""
    file_settings: ClassVar[Mapping[str, str]] = {}
    """Settings whose value is a file where it ends so, for example ``{"brush": ".myb"}``. A run keeps such paths
    absolute, and a model takes the files along."""

    @abstractmethod
    def create(self, settings: Mapping[str, Any]) -> Engine:
        """Make the engine; every setting has a default.

        ValueError that names the wrong setting, its value and what was expected; EngineMissingError, with the remedy,
        where this machine lacks something.
        """

    def examine(self) -> Iterator[Finding]:
        """What ``spiral doctor`` says of it."""
        try:
            yield Finding(self.name, "good", self.create({}).version)
        except EngineMissingError as error:
            yield Finding(self.name, "bad", str(error))

    def blank(self, settings: Mapping[str, Any]) -> tuple[str, str]:
        """The sentence on settings with which no random action changes the picture, and the remedy."""
        return (
            f'the engine "{self.name}" leaves nothing on a blank canvas with these settings: no random action changes '
            "it, so there is nothing to learn from"
        ), "choose other settings for a new run, with --set engine.settings.KEY=VALUE"
