"""The Debian packages that the engines need, for the renderer's image: ``python -m spiral.engines.debian_packages``."""

from __future__ import annotations

from spiral.engines.registry import names, plugin


def debian_packages() -> list[str]:
    """Debian packages, each once; EngineMissingError if a package with an engine can't be imported."""
    return sorted({package for name in names() for package in plugin(name).debian_packages})


if __name__ == "__main__":
    print(*debian_packages(), sep="\n")
