"""Why a call failed, for a log line: gRPC's text, and an explanation if only an expert in TLS would understand it."""

from __future__ import annotations

from typing import Protocol

import grpc

MEANINGS = {
    "CERTIFICATE_VERIFY_FAILED": "its certificate does not verify; expected a valid one that tls_ca's authority signed",
    "Hostname Verification Check failed": "its certificate is for another host; expected one that names this address",
    "WRONG_VERSION_NUMBER": "it speaks plaintext and this side TLS; give the tls options to both, or to neither",
    "Socket closed": "it hung up on a new connection: it is ending, or it requires TLS and a certificate that it "
    "trusts; then its own log says what is missing",
}
"""Explanations by a part of gRPC's text. In TLS 1.3 a refused client only sees that the connection ends."""
NEW_CONNECTION = "failed to connect"


class Failed(Protocol):
    """An error or a call of either kind of channel."""

    def code(self) -> grpc.StatusCode:
        """Its status code."""

    def details(self) -> str | None:
        """The server's or gRPC's text about it."""


def reason(failed: Failed) -> str:
    """Status and details of a failed call in one line."""
    details = failed.details() or "no details"
    meant = [meaning for sign, meaning in MEANINGS.items() if sign in details] if NEW_CONNECTION in details else []
    return f"{failed.code().name}: {details}" + "".join(f" ({meaning})" for meaning in meant)
