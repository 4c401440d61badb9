"""Start the learner: ``python -m spiral.services.learner --help``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from spiral.services.learner.options import LearnerOptions
from spiral.services.learner.service import serve
from spiral.serving.options import run


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal or the run's limit, and return the exit code."""
    return run(LearnerOptions, "learner", serve, argv)


if __name__ == "__main__":
    sys.exit(main())
