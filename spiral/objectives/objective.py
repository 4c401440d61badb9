"""What all objectives have in common: settings, a name, and the place where they are found."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from typing import Self

from spiral.values.imported import HINT, imported_class, is_path
from spiral.values.section import Section


class Objective(Section):
    """A loss whose fields are its settings.

    Each kind of objective is a subclass in the ``__init__.py`` of a folder; its members are the files beside it, each
    with one subclass of that.
    """

    @classmethod
    def name(cls) -> str:
        """Its name in a configuration: the file's, or ``module:class`` if it is not in the folder of its kind."""
        package, _, file = cls.__module__.rpartition(".")
        at_home = any(base.__module__ == package for base in cls.__mro__)
        return file.replace("_", "-") if at_home else f"{cls.__module__}:{cls.__qualname__}"

    @classmethod
    def members(cls) -> dict[str, type[Self]]:
        """All members of this kind in its folder, by name."""
        package = sys.modules[cls.__module__]
        files = [file.name for file in pkgutil.iter_modules(package.__path__)]
        return {file.replace("_", "-"): cls._member(f"{package.__name__}.{file}") for file in files}

    @classmethod
    def named(cls, name: str) -> type[Self]:
        """The member of this kind with that name, or the class at ``module:class``; ValueError if there is none."""
        if is_path(name):
            own: type[Self] = imported_class(name, cls)
            return own
        if name not in (members := cls.members()):
            raise ValueError(f'"{name}" is unknown; expected one of {", ".join(members)}, or {HINT}')
        return members[name]

    @classmethod
    def _member(cls, module: str) -> type[Self]:
        """The one class of this kind that a file defines."""
        here = vars(importlib.import_module(module)).values()
        (member,) = (x for x in here if isinstance(x, type) and issubclass(x, cls) and x.__module__ == module)
        return member
