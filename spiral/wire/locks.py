"""A lock beside a Unix socket.

When gRPC and ZeroMQ bind, they remove an existing socket file. Without a lock, a second server would silently take the
address of one that is still running.

filelock was tried: this lock took 46 lines instead of 63, but filelock creates a missing folder instead of refusing it,
and for a folder that takes no files (``/proc``) it reports another server.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Self


class SocketLock:
    """Holds a Unix socket's address until it is closed or the process ends, in whatever way."""

    def __init__(self, path: str) -> None:
        """Take the lock; ValueError if another server holds it or the folder can't be written."""
        self.socket = Path(path)
        self._file = Path(f"{path}.lock")
        self._descriptor = self._take()

    def _take(self) -> int:
        while True:
            try:
                descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise ValueError(
                    f"{self.socket}: can't make a socket there ({error.strerror}); expected an existing folder that "
                    "this user may write to"
                ) from error
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                os.close(descriptor)
                raise ValueError(
                    f"{self.socket}: another server is listening on this socket; stop it or choose another address"
                ) from error
            if self._is_still_there(descriptor):
                return descriptor
            # The previous holder removed the file between our open and our lock, so we hold a deleted file.
            os.close(descriptor)

    def _is_still_there(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._file.stat())
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Remove the socket and release the lock; may be called twice."""
        if self._descriptor >= 0:
            self.socket.unlink(missing_ok=True)
            self._file.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
