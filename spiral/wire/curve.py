"""CURVE on the edge of the trajectories: keys, and the learner's check of who connects.

Keys are files as ``zmq.auth.create_certificates`` writes them: ``name.key_secret`` has both keys, ``name.key`` the
public one. There is no authority: each end is given the public keys of those it believes.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import zmq
from zmq.auth import load_certificate
from zmq.auth.thread import ThreadAuthenticator
from zmq.utils import z85

DOMAIN = "trajectories"
"""The name under which libzmq asks whether a connection is let in; a name makes it ask in every case."""
SUFFIX = ".key"
KEY_CHARACTERS, KEY_BYTES = 40, 32

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Keys:
    """Own keys and the public keys of the peers, each 40 characters of Z85."""

    public: bytes
    secret: bytes
    peers: frozenset[bytes]

    @classmethod
    def load(cls, key: Path, peers: Path) -> Self:
        """Read the own secret key file and the peers' public ones, a file or a folder of them.

        Raises ValueError, which says which file is wrong.
        """
        public, secret = _load("curve_key", key)
        if secret is None:
            raise ValueError(f"curve_key: {key} has no secret key; expected a file like learner.key_secret")
        if zmq.curve_public(secret) != public:
            raise ValueError(f"curve_key: the public key in {key} is not that of its secret key")
        files = sorted(peers.glob(f"*{SUFFIX}")) if peers.is_dir() else [peers]
        if not files:
            raise ValueError(f"curve_peers: {peers} has no file *{SUFFIX}; expected the public keys of the peers")
        return cls(public, secret, frozenset(_load("curve_peers", file)[0] for file in files))

    @property
    def server(self) -> bytes:
        """The public key of the one server; ValueError if several are known."""
        if len(self.peers) != 1:
            raise ValueError(f"curve_peers: {len(self.peers)} keys; expected one key, the learner's, for an actor")
        return next(iter(self.peers))


def secure_server(socket: zmq.Socket[Any], keys: Keys) -> None:
    """Encrypt a socket that will be bound; :func:`gatekeeper` has to be there before."""
    socket.set(zmq.CURVE_SERVER, 1)
    socket.set(zmq.CURVE_SECRETKEY, keys.secret)
    socket.set(zmq.ZAP_DOMAIN, DOMAIN.encode())


def secure_client(socket: zmq.Socket[Any], keys: Keys) -> None:
    """Encrypt a socket that will be connected; ValueError as for :attr:`Keys.server`."""
    socket.set(zmq.CURVE_SERVERKEY, keys.server)
    socket.set(zmq.CURVE_PUBLICKEY, keys.public)
    socket.set(zmq.CURVE_SECRETKEY, keys.secret)


@contextmanager
def gatekeeper(context: zmq.Context[Any], keys: Keys | None) -> Iterator[None]:
    """Let in nobody but the peers of ``keys`` on the secured servers of ``context`` for this block; None: no check."""
    if keys is None:
        yield
        return
    authenticator = ThreadAuthenticator(context)
    authenticator.start()
    try:
        authenticator.configure_curve_callback(DOMAIN, _AllowList(keys.peers))
        yield
    finally:
        authenticator.stop()


class _AllowList:
    """What pyzmq asks for every connection."""

    def __init__(self, peers: frozenset[bytes]) -> None:
        self._peers = peers

    def callback(self, domain: str, key: bytes) -> bool:
        if key in self._peers:
            return True
        _log.warning(
            "refused a connection: its public key %s is none of the %d in curve_peers", key.decode(), len(self._peers)
        )
        return False


def _load(name: str, path: Path) -> tuple[bytes, bytes | None]:
    try:
        public, secret = load_certificate(path)
        for key in (public, secret or public):
            if len(key) != KEY_CHARACTERS or len(z85.decode(key)) != KEY_BYTES:
                raise ValueError(f"{len(key)} characters of key; expected {KEY_CHARACTERS} of Z85")
        return public, secret
    except (OSError, ValueError, KeyError, struct.error) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ValueError(
            f"{name}: {path} is not a CURVE key file ({why}); expected one that `spiral certs` wrote"
        ) from error
