"""What this machine must allow: namespaces, an overlay file system and a bridge, that is to say root."""

from __future__ import annotations

import os
import shutil
import subprocess

TOOLS = ("ip", "unshare", "nsenter", "setpriv", "mount", "pivot_root")


def missing() -> str:
    """Why pods can't be started here, in one sentence; empty: they can."""
    if os.geteuid() != 0:
        return "pods are started in namespaces of their own, for which this process would have to be root"
    absent = [tool for tool in TOOLS if shutil.which(tool) is None]
    if absent:
        return f"pods need {', '.join(absent)} (Debian: iproute2, util-linux)"
    trial = ["unshare", "--net", "--mount", "--pid", "--fork", "sh", "-ec", _TRIAL]
    tried = subprocess.run(trial, capture_output=True, check=False)
    if tried.returncode:
        return f"pods need namespaces, an overlay and a bridge: {tried.stderr.decode().strip() or tried.returncode}"
    return ""


_TRIAL = """
ip link add trial type bridge
mount -t tmpfs trial /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
"""


def run(*argv: str) -> str:
    """Run a command of the system; its output. RuntimeError with what it said where it fails."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip() or done.returncode}")
    return done.stdout
