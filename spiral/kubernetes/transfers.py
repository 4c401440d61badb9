"""Files out of and into a run directory in a pod: exec through the API server; sh, tar and sha256sum do the rest."""

from __future__ import annotations

import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO

from spiral.kubernetes.cluster import Cluster
from spiral.kubernetes.errors import TransferError
from spiral.kubernetes.run_volume import RunVolume
from spiral.kubernetes.sockets import execute

READ_BYTES = 256 << 10


async def list_names(cluster: Cluster, volume: RunVolume, folder: str) -> list[str]:
    """Names in a folder of the run directory, sorted, those of folders with a slash behind them; none where there is
    no such folder."""
    script = 'if [ -d "$1" ]; then ls -1p "$1"; fi'
    return sorted((await _sh(cluster, volume, script, _path(volume, folder))).decode().split("\n")[:-1])


async def fetch_file(cluster: Cluster, volume: RunVolume, file: str) -> bytes:
    """Content of a small file of the run directory; empty where it is not there."""
    return await _sh(cluster, volume, 'if [ -f "$1" ]; then cat "$1"; fi', _path(volume, file))


async def fetch_folder(cluster: Cluster, volume: RunVolume, folder: str, into: Path, spool: IO[bytes]) -> None:
    """Copy the plain files of a folder of the run directory into an existing empty one here.

    ``spool`` takes the archive on the way. Raises CommandError if the folder is gone, TransferError if what
    comes is no archive of plain files.
    """
    command = ["tar", "-cf", "-", "-C", _path(volume, folder), "."]
    await execute(cluster, volume.pod, volume.container, command, write=spool.write)
    spool.seek(0)
    try:
        with tarfile.open(fileobj=spool) as archive:
            for member in archive:
                # A folder within it would be none of ours; the filter refuses what would land elsewhere.
                if member.isfile():
                    archive.extract(member, into, filter="data")
    except tarfile.TarError as error:
        raise TransferError(f"what pod {volume.pod} sent of {folder} is no whole archive: {error}") from error


async def send_folder(cluster: Cluster, volume: RunVolume, source: Path, folder: str, spool: IO[bytes]) -> None:
    """Copy the files of a folder here into a new folder of the run directory, and put them on the disk.

    CommandError if it can't be written; what there was under that name is replaced.
    """
    with tarfile.open(fileobj=spool, mode="w") as archive:
        for path in sorted(source.iterdir()):
            archive.add(path, path.name, recursive=False, filter=_anonymous)
    size = spool.tell()
    spool.seek(0)
    # How much comes is said beforehand: not every server can be told where a command's input ends.
    script = 'set -e; rm -rf "$1"; mkdir -p "$1"; head -c "$2" | tar -xf - -C "$1" --no-same-owner; sync "$1"/* "$1"'
    command = ["sh", "-c", script, "sh", _path(volume, folder), str(size)]
    await execute(cluster, volume.pod, volume.container, command, stdin=_pieces(spool))


async def checksums(cluster: Cluster, volume: RunVolume, folder: str) -> dict[str, str]:
    """SHA-256 by name of all files of a folder of the run directory, computed where they lie."""
    lines = (await _sh(cluster, volume, 'cd "$1" && sha256sum -- *', _path(volume, folder))).decode().splitlines()
    return {name: checksum for checksum, _, name in (line.partition("  ") for line in lines)}


async def rename(cluster: Cluster, volume: RunVolume, before: str, after: str) -> None:
    """Give a folder of the run directory its final name, on the disk when this returns.

    CommandError if that name is taken.
    """
    script = (
        'set -e; [ ! -e "$2" ] || { echo "$2 is there already" >&2; exit 1; }; mv "$1" "$2"; sync "$(dirname "$2")"'
    )
    await _sh(cluster, volume, script, _path(volume, before), _path(volume, after))


async def remove(cluster: Cluster, volume: RunVolume, folder: str) -> None:
    """Remove a folder of the run directory."""
    await _sh(cluster, volume, 'rm -rf "$1"', _path(volume, folder))


async def _sh(cluster: Cluster, volume: RunVolume, script: str, *arguments: str) -> bytes:
    return await execute(cluster, volume.pod, volume.container, ["sh", "-c", script, "sh", *arguments])


def _path(volume: RunVolume, name: str) -> str:
    return f"{volume.run_dir.rstrip('/')}/{name}"


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without this machine's users, readable and writable for whoever unpacks it."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o644
    return member


async def _pieces(file: IO[bytes]) -> AsyncIterator[bytes]:
    while piece := file.read(READ_BYTES):
        yield piece
