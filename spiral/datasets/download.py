"""Puts a file into place from an address (resumed, verified) or a folder; always written aside, then renamed."""

from __future__ import annotations

import http.client
import logging
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from spiral.datasets.dataset import Progress
from spiral.values.atomic_file import atomic_write

_log = logging.getLogger(__name__)

_CHUNK_BYTES = 256 * 1024
# A connection that says nothing for so long is dead; the next attempt resumes where it stopped.
TIMEOUT_S = 30.0
# A cut connection resumes, so a few attempts get through a bad line; more would only hide a refusal.
ATTEMPTS_PER_ADDRESS = 4

HTTP_PARTIAL = 206
HTTP_RANGE_REFUSED = 416


def fetch(
    urls: tuple[str, ...],
    target: Path,
    *,
    verify: Callable[[Path], object],
    progress: Progress,
    limit_bytes: int,
    timeout_s: float = TIMEOUT_S,
) -> None:
    """Download one file from the first address that delivers it correctly.

    Received bytes are kept in `<target>.part`, and a later call resumes them. The file becomes `target` only after
    `verify` (raises ValueError) accepts it; otherwise it is discarded. Raises ValueError with each address's fault.
    """
    part = target.with_name(target.name + ".part")
    faults: list[str] = []
    _make_folder(target.parent)
    for url in urls:
        for _ in range(ATTEMPTS_PER_ADDRESS):
            resumed = part.exists()
            try:
                _receive(url, part, name=target.name, progress=progress, limit_bytes=limit_bytes, timeout_s=timeout_s)
                verify(part)
            except _RefusedError as refusal:
                faults.append(f"{url}: {refusal}")
                break
            except (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
                faults.append(f"{url}: {getattr(error, 'reason', None) or error or type(error).__name__}")
                if not part.exists():  # nothing came at all: the same address will not do better
                    break
            except ValueError as error:
                part.unlink(missing_ok=True)
                faults.append(f"{url}: {error}")
                if not resumed:  # the address itself gives wrong bytes; a bad beginning deserves a second try
                    break
            except OSError as error:
                raise ValueError(
                    f"{part}: cannot be written ({error.strerror or error}); free or choose another folder "
                    "with SPIRAL_DATA"
                ) from error
            else:
                keep_aside(target)
                os.replace(part, target)
                return
    raise ValueError(
        f"{target.name} could not be downloaded: "
        + "; ".join(dict.fromkeys(faults))
        + ". Download it elsewhere and give its folder with --from DIR"
    )


def copy(source: Path, target: Path, progress: Progress) -> None:
    """Copy a file into place, written aside and renamed. Raises ValueError if it cannot be read or written."""
    _make_folder(target.parent)
    try:
        with atomic_write(target) as aside:
            shutil.copyfile(source, aside)
            keep_aside(target)
    except OSError as error:
        raise ValueError(f"{target}: cannot be copied from {source} ({error.strerror or error})") from error
    size = target.stat().st_size
    progress(target.name, size, size)


def keep_aside(path: Path) -> None:
    """Rename a file that is in the way of the correct one, and log it: it may be the user's own."""
    if not path.exists():
        return
    number = 1
    while (kept := path.with_name(f"{path.name}.before-{number}")).exists():
        number += 1
    path.rename(kept)
    _log.warning("%s was damaged or another file; it is kept as %s", path, kept.name)


class _RefusedError(Exception):
    """The server refuses to deliver this file; asking again is useless."""


def _receive(url: str, part: Path, *, name: str, progress: Progress, limit_bytes: int, timeout_s: float) -> None:
    """Append the missing bytes to `part`; a server without range requests sends everything from the start."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == HTTP_RANGE_REFUSED and have:
            return  # all of it was there already, or it is not that file: verification tells
        raise _RefusedError(f"HTTP {error.code} {error.reason}") from error
    with response:
        if have and response.status != HTTP_PARTIAL:
            have = 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length and length.isdigit() else None
        if total is not None and total > limit_bytes:
            raise _RefusedError(f"{total} bytes announced; expected at most {limit_bytes}")
        with part.open("ab" if have else "wb") as file:
            progress(name, have, total)
            while chunk := response.read(_CHUNK_BYTES):
                have += len(chunk)
                if have > limit_bytes:
                    raise _RefusedError(f"more than {limit_bytes} bytes; expected at most that")
                file.write(chunk)
                progress(name, have, total)
        if total is not None and have < total:
            raise ConnectionError(f"the connection ended after {have} of {total} bytes")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(
            f"{folder}: cannot be made ({error.strerror or error}); choose another data folder with SPIRAL_DATA"
        ) from error
