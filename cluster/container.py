"""One start of one container: its root file system, its user, its process, how it ended and what it said."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from cluster.network import Sandbox
from cluster.volumes import Mount

# What Kubernetes keeps of a termination message.
MESSAGE_BYTES = 4096
# With FallbackToLogsOnError the end of the log stands in for it.
_LOG_BYTES, _LOG_LINES = 2048, 80
# As an OCI runtime reports a container that could not be set up.
START_ERROR = 128
# The host's temporary files are no part of an image.
_EMPTIED = ("tmp", "run", "var/tmp")


@dataclass(frozen=True, slots=True)
class Process:
    """What to start, and as whom."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    working_dir: str
    user: int
    group: int
    groups: Sequence[int]
    mounts: Sequence[Mount]
    read_only_root: bool
    new_privileges: bool
    capabilities: bool
    """Whether it keeps those that a container has unless they are dropped; this cluster gives all or none."""
    needs: Sequence[Path]
    links: Mapping[str, Path]
    """What the image stands for: see :class:`cluster.images.Image`."""
    message_path: str
    hosts: str
    resolver: str


@dataclass(frozen=True, slots=True)
class Ended:
    """How a container ended."""

    code: int
    """Exit code; 128 + n where signal n ended it."""
    message: str
    """Its termination message."""

    @property
    def reason(self) -> str:
        """The word that kubectl shows."""
        if self.code == START_ERROR:
            return "StartError"
        return "Completed" if self.code == 0 else "Error"


class Running:
    """A container's process; made by the thread that lives as long as the cluster, because it ends with that thread."""

    def __init__(self, process: Process, sandbox: Sandbox, folder: Path, log: Path) -> None:
        """Start it, with its own files in the new ``folder``; what it prints is appended to ``log``."""
        folder.mkdir(parents=True)
        self._message = folder / "termination-log"
        self._message.touch()
        self._message.chmod(0o666)
        self.log = log
        self._script = folder / "start.sh"
        self._script.write_text(_script(process, sandbox, folder))
        log.parent.mkdir(parents=True, exist_ok=True)
        # A shell makes the first process of the namespace: unshare's own --fork (2.38) loses the signal that ended it.
        unshare = ["unshare", "--mount", "--pid", "sh", "-c", f"sh -e {shlex.quote(str(self._script))}; exit $?"]
        with log.open("ab") as out:
            self._outer = subprocess.Popen(
                sandbox.command(unshare),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={"PATH": os.environ.get("PATH", os.defpath)},
                start_new_session=True,
            )

    @property
    def pid(self) -> int | None:
        """The process's id on this machine; inside it is 1. None: not forked yet, or gone."""
        try:
            children = Path(f"/proc/{self._outer.pid}/task/{self._outer.pid}/children").read_text().split()
        except OSError:
            return None
        return int(children[0]) if children else None

    @property
    def set_up(self) -> bool:
        """Whether the script that makes the container has become its first process."""
        pid = self.pid
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes() if pid else b"unshare"
        except OSError:
            return False
        return not command.startswith(b"unshare") and str(self._script).encode() not in command

    def poll(self) -> int | None:
        """Its exit code once it has ended."""
        code = self._outer.poll()
        return code if code is None or code >= 0 else 128 - code

    def signal(self, number: int) -> None:
        """Send a signal to its first process."""
        pid = self.pid
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def signal_all(self, number: int) -> None:
        """Send a signal to all of its processes, for its first one may be an init that would not hand it on."""
        self.signal(number)
        first = self.pid  # once: it is nobody's a moment later
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(first).children(recursive=True) if first else []:
                child.send_signal(number)

    def kill(self) -> None:
        """End all of its processes, now."""
        self.signal(signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.killpg(self._outer.pid, signal.SIGKILL)
        self._outer.wait()

    def execute(self, argv: Sequence[str], timeout_s: float) -> int | None:
        """Run a command inside, as exec probes and hooks do; its exit code, None if it took too long."""
        pid = self.pid
        if pid is None:
            return 1
        enter = ["nsenter", f"--target={pid}", "--mount", "--pid", "--net", "--uts", "--ipc", "--root", "--wd"]
        try:
            return subprocess.run([*enter, *argv], capture_output=True, timeout=timeout_s, check=False).returncode
        except subprocess.TimeoutExpired:
            return None

    def ended(self, code: int, policy: str) -> Ended:
        """What Kubernetes keeps of it, by its ``terminationMessagePolicy``."""
        message = self._message.read_bytes()[:MESSAGE_BYTES].decode(errors="replace")
        if not message and code and policy == "FallbackToLogsOnError":
            lines = self.log.read_bytes()[-_LOG_BYTES:].decode(errors="replace").splitlines(keepends=True)
            message = "".join(lines[-_LOG_LINES:])
        return Ended(code, message)


def _script(process: Process, sandbox: Sandbox, folder: Path) -> str:
    """The shell script that becomes the container, in fresh mount and process namespaces."""
    lines = [
        f"trap 'exit {START_ERROR}' EXIT",  # not reached where exec succeeds
        f"mkdir {folder}/layers",
        f"mount -t tmpfs -o mode=755 layers {folder}/layers",
        f"cd {folder}/layers",
        "mkdir upper work root",
        "mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root",
        "cd root",
        "mount -t proc proc proc",
        "mount -t sysfs -o ro sysfs sys",
        "mount -t tmpfs -o mode=755 dev dev",
        "for device in 'null 3' 'zero 5' 'full 7' 'random 8' 'urandom 9'; do "
        "set -- $device; mknod -m 666 dev/$1 c 1 $2; done",
        "mkdir -m 1777 dev/shm",
        "ln -s /proc/self/fd dev/fd; ln -s /proc/self/fd/1 dev/stdout; ln -s /proc/self/fd/2 dev/stderr",
        *(f"mount -t tmpfs -o mode=1777 empty {place}" for place in _EMPTIED),
        *(
            f"mkdir -p .{os.path.dirname(place)}; ln -sfn {shlex.quote(str(there))} .{place}"
            for place, there in process.links.items()
        ),
        *(
            _write(name, text)
            for name, text in (
                ("etc/hostname", sandbox.name + "\n"),
                ("etc/hosts", process.hosts),
                ("etc/resolv.conf", process.resolver),
            )
        ),
        *(line for mount in process.mounts for line in _bind(mount)),
        *_readable(process.needs),
        *_bind(Mount(folder / "termination-log", process.message_path)),
    ]
    if process.read_only_root:
        # Temporary folders of the image's own are as read-only as the rest; a volume on top of one is not.
        covered = {mount.target.rstrip("/").lstrip("/") for mount in process.mounts}
        lines += [f"mount -o remount,ro {place}" for place in _EMPTIED if place not in covered]
        lines += ["mount -o remount,ro ."]
    privileges = [] if process.new_privileges else ["--no-new-privs"]
    if not process.capabilities:
        privileges += ["--inh-caps=-all", "--bounding-set=-all"]
    groups = f"--groups={','.join(map(str, process.groups))}" if process.groups else "--clear-groups"
    become = [f"--reuid={process.user}", f"--regid={process.group}", groups, *privileges, "--pdeathsig=KILL"]
    variables = [f"{name}={value}" for name, value in process.environment.items()]
    lines += [
        "pivot_root . .",
        "umount -l .",
        f"cd {shlex.quote(process.working_dir)}",
        f"exec /usr/bin/env -i {shlex.join(variables)} /usr/bin/setpriv {shlex.join(become)} -- "
        f"{shlex.join(process.argv)}",
    ]
    return "\n".join(lines) + "\n"


def _readable(needs: Sequence[Path]) -> list[str]:
    """Open what stands for the image to every user, in the container's own layer alone."""
    lines = []
    for place in needs:
        resolved = place.resolve()
        inside = shlex.quote(str(resolved).lstrip("/"))
        opened = [*resolved.parents][-2::-1]
        # An overlay shows one file system; a checkout that lies on another one is bound in, as is one in a folder
        # that is emptied.
        hidden = any(resolved.is_relative_to(Path("/", name)) for name in _EMPTIED)
        if hidden or resolved.stat().st_dev != Path("/").stat().st_dev:
            lines += [f"mkdir -p {inside}", f"mount --rbind {shlex.quote(str(resolved))} {inside}"]
        else:
            opened = [*opened, resolved]
        lines += [f"chmod a+rx {shlex.quote(str(folder).lstrip('/'))}" for folder in opened]
    return lines


def _bind(mount: Mount) -> list[str]:
    source, target = shlex.quote(str(mount.source)), shlex.quote(mount.target.lstrip("/"))
    if mount.source.is_dir():
        lines = [f"mkdir -p {target}"]
    else:
        lines = [f"mkdir -p {shlex.quote(os.path.dirname(mount.target).lstrip('/') or '.')}", f"touch {target}"]
    lines.append(f"mount --bind {source} {target}")
    if mount.read_only:
        lines.append(f"mount -o remount,ro,bind {target}")
    return lines


def _write(name: str, text: str) -> str:
    # /etc/resolv.conf may be a link out of the container; the file of the container's own is none.
    return f"rm -f {name}; printf %s {shlex.quote(text)} > {name}"
