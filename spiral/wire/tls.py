"""Mutual TLS for all gRPC except the probes: this process's certificate, and the authority that it trusts."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import grpc


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate with its key, and the authority that must have signed the peers' certificates; PEM."""

    ca: bytes
    cert: bytes
    key: bytes

    @classmethod
    def load(cls, ca: Path, cert: Path, key: Path) -> Self:
        """Read and test the three files; ValueError says which one is wrong, and why."""
        contents = [_read(name, path) for name, path in (("tls_ca", ca), ("tls_cert", cert), ("tls_key", key))]
        _check(ca, cert, key)
        return cls(*contents)

    def server(self) -> grpc.ServerCredentials:
        """Credentials of a server that only accepts clients with a certificate of the authority."""
        return grpc.ssl_server_credentials([(self.key, self.cert)], self.ca, require_client_auth=True)

    def channel(self) -> grpc.ChannelCredentials:
        """Credentials of a channel that presents the certificate and checks that the server's is for the right host."""
        return grpc.ssl_channel_credentials(self.ca, self.key, self.cert)


def _read(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{name}: {path} can't be read ({error.strerror}); expected a PEM file") from error


def _check(ca: Path, cert: Path, key: Path) -> None:
    """Do a handshake with itself in memory: a certificate that fails here would fail with every peer."""
    server, client = (_context(side, ca, cert, key) for side in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT))
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(down, up), server.wrap_bio(up, down, server_side=True)]
    try:
        for _ in range(4):  # each end has two turns in TLS 1.3, and one more in 1.2
            for end in ends:
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    continue
    except ssl.SSLCertVerificationError as error:
        raise ValueError(
            f"tls_cert: {cert} does not verify against {ca}: {error.verify_message}; expected a certificate that "
            "this authority signed, valid today, for both client and server"
        ) from error


def _context(side: int, ca: Path, cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(side)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError as error:
        raise ValueError(f"tls_ca: {ca} holds no certificate in PEM") from error
    try:
        context.load_cert_chain(cert, key, password=lambda: _refuse_password(key))
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(f"tls_key: {key} is not the key of the certificate {cert}") from error
        raise ValueError(
            f"tls_cert, tls_key: {cert} and {key} are not a certificate and a key in PEM ({error.reason or error})"
        ) from error
    return context


def _refuse_password(key: Path) -> str:
    raise ValueError(f"tls_key: {key} is encrypted; expected a key without a password that only this user can read")
