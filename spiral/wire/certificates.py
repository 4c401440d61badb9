"""Makes certificates and keys for the services: enough for tests and for a cluster without its own authority.

The folder ``<service>/`` of the set has the contents of that service's Secret: ``ca.crt``, ``tls.crt``, ``tls.key``;
for actor and learner also ``curve.key_secret`` and the other's public key, ``learner.key`` or ``actor.key``.
"""

from __future__ import annotations

import datetime
import ipaddress
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import zmq.auth
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from spiral.wire.edges import EDGES, SERVICES

SKEW = datetime.timedelta(minutes=5)
"""Clocks of two machines differ, so a certificate is valid from a little before it was made."""


@dataclass(frozen=True, slots=True)
class Authority:
    """Signs certificates; everybody trusts its own certificate. Its key is never written."""

    name: x509.Name
    key: ec.EllipticCurvePrivateKey
    pem: bytes


def write_set(folder: Path, domains: Sequence[str], valid: datetime.timedelta, now: datetime.datetime) -> None:
    """Write a complete set for all services into ``folder``, which must not exist.

    Each certificate is valid for its service's name, alone and in ``domains``, and for this machine. ValueError if
    ``folder`` exists.
    """
    if folder.exists():
        raise ValueError(f"{folder} already exists; expected a new folder, so that no key in use is overwritten")
    authority = make_authority(valid, now)
    for service in SERVICES:
        place = folder / service
        place.mkdir(parents=True)
        names = [service, *(f"{service}.{domain}" for domain in domains), "localhost", "127.0.0.1", "::1"]
        cert, key = issue(authority, service, names, valid, now)
        for name, content in (("ca.crt", authority.pem), ("tls.crt", cert), ("tls.key", key)):
            _write(place / name, content)
    (edge,) = (edge for edge in EDGES if edge.protocol == "zmq")
    for own, peer in ((edge.client, edge.server), (edge.server, edge.client)):
        public, secret = zmq.auth.create_certificates(str(folder), own)
        Path(secret).rename(folder / own / "curve.key_secret")
        (folder / own / "curve.key_secret").chmod(0o600)
        shutil.move(public, folder / peer / f"{own}.key")


def make_authority(valid: datetime.timedelta, now: datetime.datetime) -> Authority:
    """A new, self-signed authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "spiral authority")])
    builder = _builder(name, name, key.public_key(), valid, now)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    return Authority(name, key, certificate.public_bytes(serialization.Encoding.PEM))


def issue(
    authority: Authority, subject: str, hosts: Sequence[str], valid: datetime.timedelta, now: datetime.datetime
) -> tuple[bytes, bytes]:
    """Certificate, for client and server at ``hosts`` (names or addresses), and its key, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)])
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    certificate = (
        _builder(name, authority.name, key.public_key(), valid, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
        .add_extension(identifier, critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    return (
        certificate.public_bytes(pem),
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    valid: datetime.timedelta,
    now: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + valid)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write(path: Path, content: bytes) -> None:
    path.touch(0o600)
    path.write_bytes(content)
