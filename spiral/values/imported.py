"""The user's own parts, which a configuration names as ``my_package.my_module:name``.

The module must be on Python's path in every process that imports it: installed there, or in ``PYTHONPATH``.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

PATTERN = re.compile(r"\w+(\.\w+)*:\w+")
HINT = "one of your own as my_package.my_module:name"


def is_path(name: str) -> bool:
    """Whether ``name`` has the form ``module:name``; nothing is imported."""
    return PATTERN.fullmatch(name) is not None


def imported(path: str, key: str = "") -> Any:
    """The object that ``path`` names. ValueError, which names the configuration's ``key``, if it can't be imported."""
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # a foreign module may raise anything
        raise ValueError(f'{_of(key)}"{path}" can\'t be imported: {type(error).__name__}: {error}') from error


def imported_class(path: str, kind: type, key: str = "") -> Any:
    """The subclass of ``kind`` that ``path`` names; ValueError, as from :func:`imported`, if it is not one."""
    found = imported(path, key)
    if not (isinstance(found, type) and kind in found.__mro__):
        raise ValueError(f'{_of(key)}"{path}" is no subclass of {kind.__module__}.{kind.__qualname__}')
    return found


def _of(key: str) -> str:
    return f"{key}: " if key else ""
