"""``python -m spiral.services.actor``: start an actor."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence

from spiral.computing.threads import compute_with
from spiral.services.actor.options import ActorOptions
from spiral.services.actor.service import run_until_stopped
from spiral.serving.metrics import new_metrics
from spiral.serving.options import StartError, run
from spiral.serving.service import Serving


def serve(options: ActorOptions) -> int:
    """Paint until SIGTERM and return the exit code. StartError if something doesn't fit."""
    compute_with(options.threads)
    try:
        config = options.run_config()
        metrics = new_metrics("actor")
        with Serving("actor", options, metrics) as serving:
            serving.start()
            run_until_stopped(options, config, secrets.randbits(64), metrics, serving)
    except ValueError as error:
        raise StartError(str(error)) from error
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Start an actor and return its exit code."""
    return run(ActorOptions, "actor", serve, argv)


if __name__ == "__main__":
    sys.exit(main())
