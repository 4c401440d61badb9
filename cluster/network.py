"""A bridge with an address for the node, and for every pod a network of its own, so that no ports collide."""

from __future__ import annotations

import os
import re
import subprocess
import time
from dataclasses import dataclass

from cluster.rights import run

# A bridge for each cluster that lives on this machine at the same time; a name has at most 15 bytes.
_CLUSTERS = 16
_PREFIX = "spiralk"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The network and host name that the containers of one pod share."""

    name: str
    address: str
    process: subprocess.Popen[bytes]
    link: str
    """The node's end of its interface."""

    def command(self, argv: list[str]) -> list[str]:
        """``argv``, to be run in the sandbox; it ends when its parent does."""
        enter = ["nsenter", f"--target={self.process.pid}", "--net", "--uts", "--ipc"]
        return ["setpriv", "--pdeathsig=KILL", *enter, *argv]

    def close(self) -> None:
        """End it, with its interface: left to itself that stays for minutes where a socket had more to say."""
        self.process.kill()
        self.process.wait()
        subprocess.run(["ip", "link", "del", self.link], capture_output=True, check=False)  # it may be gone by itself


class Network:
    """Addresses 10.<number>.0.0/16 on a bridge of this machine; ``gateway`` is the node's own."""

    def __init__(self) -> None:
        _remove_stale()
        self._bridge, self._number = _create()
        self._subnet = f"10.{224 + self._number}"
        self.gateway = f"{self._subnet}.0.1"
        """The node's address, reachable from every pod."""
        self._given = 1
        run("ip", "addr", "add", f"{self.gateway}/16", "dev", self._bridge)
        run("ip", "link", "set", self._bridge, "up")

    def sandbox(self, name: str) -> Sandbox:
        """A network namespace with an address that no pod had before, and the host name ``name``."""
        self._given += 1
        address = f"{self._subnet}.{self._given // 250}.{self._given % 250 + 2}"
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", "unshare", "--net", "--uts", "--ipc", "sleep", "infinity"],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        _wait_for_namespace(process)
        link = f"sk{self._number}p{process.pid}"
        sandbox = Sandbox(name, address, process, link)
        run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(process.pid))
        run("ip", "link", "set", link, "master", self._bridge, "up")
        inside = f"hostname {name[:63]}; ip link set lo up; ip addr add {address}/16 dev eth0; ip link set eth0 up"
        run(*sandbox.command(["sh", "-ec", inside]))
        return sandbox

    def close(self) -> None:
        """Take the bridge down; the pods are gone."""
        run("ip", "link", "del", self._bridge)


def _wait_for_namespace(process: subprocess.Popen[bytes]) -> None:
    """Wait until the child has left this process's network namespace."""
    ours = os.readlink("/proc/self/ns/net")
    while process.poll() is None:
        command = open(f"/proc/{process.pid}/comm").read().strip()  # noqa: SIM115
        if command == "sleep" and os.readlink(f"/proc/{process.pid}/ns/net") != ours:
            return
        time.sleep(0.001)
    raise RuntimeError(f"a pod's sandbox ended with {process.returncode}")


def _create() -> tuple[str, int]:
    """A bridge with a free number; its alias says which process it belongs to."""
    for number in range(_CLUSTERS):
        name = f"{_PREFIX}{number}"
        made = subprocess.run(["ip", "link", "add", name, "type", "bridge"], capture_output=True, check=False)
        if made.returncode == 0:
            run("ip", "link", "set", name, "alias", f"process {os.getpid()}")
            return name, number
    raise RuntimeError(f"{_CLUSTERS} clusters live on this machine already")


def _remove_stale() -> None:
    """Remove bridges whose process was killed before it could."""
    shown = subprocess.run(["ip", "-o", "link", "show", "type", "bridge"], capture_output=True, text=True, check=True)
    for line in shown.stdout.splitlines():
        match = re.search(rf"({_PREFIX}\d+):.*alias process (\d+)", line.replace("\\", " "))
        if match and not os.path.exists(f"/proc/{match[2]}"):
            subprocess.run(["ip", "link", "del", match[1]], capture_output=True, check=False)
