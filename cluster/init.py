#!/usr/bin/env -S python3 -S -E
"""Stands for ``tini`` where it isn't installed: first process of a container, passes signals on, reaps, exits alike."""

import os
import signal
import sys

PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def main(argv: list[str]) -> int:
    """Run ``argv``; its exit code, 128 + n where signal n ended it."""
    child = os.fork()
    if child == 0:
        os.execvp(argv[0], argv)
    for number in PASSED_ON:
        signal.signal(number, lambda received, frame: os.kill(child, received))
    while True:
        pid, status = os.wait()
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


if __name__ == "__main__":
    words = sys.argv[1:]
    sys.exit(main(words[1:] if words[:1] == ["--"] else words))
