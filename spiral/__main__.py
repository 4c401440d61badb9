"""Start the program ``spiral``, also as ``python -m spiral``."""

from __future__ import annotations

import signal
import sys


def main() -> int:
    """Run one command and return its exit code."""
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # it may be ignored, as under nohup
    if ours:
        # While modules load, Ctrl-C ends this program without a traceback.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from spiral.cli.main import main as run  # noqa: PLC0415

    if ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return run()


if __name__ == "__main__":
    sys.exit(main())
