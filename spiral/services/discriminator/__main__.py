"""Start the discriminator: ``python -m spiral.services.discriminator --config mnist --run-dir runs/one``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from spiral.services.discriminator.options import DiscriminatorOptions
from spiral.services.discriminator.service import serve
from spiral.serving.options import run


def main(argv: Sequence[str] | None = None) -> int:
    """Run the discriminator with command-line arguments and return its exit code."""
    return run(DiscriminatorOptions, "discriminator", serve, argv)


if __name__ == "__main__":
    sys.exit(main())
