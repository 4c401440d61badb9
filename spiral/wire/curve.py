"""CURVE encryption of trajectories: keys, and the learner's check of connecting peers.

Keys are files as written by ``zmq.auth.create_certificates``: ``name.key_secret`` has both keys, ``name.key`` the
public one. There is no authority: each end gets the public keys of the peers that it trusts.
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
"""The ZAP domain in which libzmq asks whether to accept a connection; only with a domain does it always ask."""
SUFFIX = ".key"
KEY_CHARACTERS, KEY_BYTES = 40, 32

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Keys:
    """This process's own keys and the public keys of its peers, each 40 characters of Z85."""

    public: bytes
    secret: bytes
    peers: frozenset[bytes]

    @classmethod
    def load(cls, key: Path, peers: Path) -> Self:
        """Read the secret key file and the peers' public key files, ``peers`` being one file or a folder of them.

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
        """The public key of the only server; ValueError if there are several keys."""
        if len(self.peers) != 1:
            raise ValueError(f"curve_peers: {len(self.peers)} keys; expected one key, the learner's, for an actor")
        return next(iter(self.peers))


def secure_server(socket: zmq.Socket[Any], keys: Keys) -> None:
    """Encrypt a socket that will be bound; start :func:`gatekeeper` before."""
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
    """In this block, secured servers of ``context`` accept only the peers of ``keys``; None: no check."""
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
    """The object that pyzmq asks about every connection."""

    def __init__(self, peers: frozenset[bytes]) -> None:
        self._peers = peers

    def callback(self, domain: str, key: bytes) -> bool:
        if key in self._peers:
            return True
        _log.warning(
            "refused a connection: its public key %s is not among the %d in curve_peers", key.decode(), len(self._peers)
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
