"""The plugin through which an engine is found."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from spiral.engines.interface import Engine, EngineMissingError
from spiral.values.finding import Finding


@dataclass(frozen=True, slots=True)
class Environment:
    """A Gymnasium environment that :mod:`spiral.gym` registers. Classes are given as ``module:name``, so that nothing
    is imported; they are called with the argument ``engine``, the engine's name.
    """

    id: str
    """For example ``spiral/Crayon-v0``."""
    single: str = "spiral.gym.single:EngineEnv"
    vector: str = "spiral.gym.vector:EngineVectorEnv"


class EnginePlugin(ABC):
    """An engine before anything that it needs is imported.

    The module of a plugin must import fast and on every machine; :meth:`create` imports the rest.
    """

    name: ClassVar[str]
    """The engine's name in programs and configurations: letters, digits, ``-`` and ``_``."""
    environment: ClassVar[Environment | None] = None
    """Its Gymnasium environment; None: there is none."""
    debian_packages: ClassVar[tuple[str, ...]] = ()
    """Debian packages that the renderer's image installs for it."""
    file_settings: ClassVar[Mapping[str, str]] = {}
    """Settings whose value is a file if it has this ending, for example ``{"brush": ".myb"}``. A run stores such paths
    as absolute ones, and a model includes the files."""

    @abstractmethod
    def create(self, settings: Mapping[str, Any]) -> Engine:
        """Make the engine; every setting has a default.

        ValueError that names the wrong setting, its value and what was expected; EngineMissingError, with the remedy,
        where this machine lacks something.
        """

    def large(
        self, settings: Mapping[str, Any], canvas: tuple[int, int], places: tuple[int, int], zooms: Sequence[int]
    ) -> dict[str, Any]:
        """Settings that paint in the same way on a canvas of that height and width, with so many rows and columns of
        places, and the brush in all its sizes times each of ``zooms``, in that order.

        ValueError if the engine has no such canvases.
        """
        raise ValueError(f'the engine "{self.name}" has no canvases of other sizes')

    def examine(self) -> Iterator[Finding]:
        """The findings of ``spiral doctor`` about the engine."""
        try:
            yield Finding(self.name, "good", self.create({}).version)
        except EngineMissingError as error:
            yield Finding(self.name, "bad", str(error))

    def blank(self, settings: Mapping[str, Any]) -> tuple[str, str]:
        """A sentence about settings with which no random action changes the picture, and the remedy."""
        return (
            f'the engine "{self.name}" leaves nothing on a blank canvas with these settings: no random action changes '
            "it, so there is nothing to learn from"
        ), "choose other settings for a new run, with --set engine.settings.KEY=VALUE"
