"""Why a call failed, for a log line: what gRPC says, and what it means where only experts of TLS would know."""

from __future__ import annotations

from typing import Protocol

import grpc

MEANINGS = {
    "CERTIFICATE_VERIFY_FAILED": "its certificate does not verify; expected a valid one that tls_ca's authority signed",
    "Hostname Verification Check failed": "its certificate is for another host; expected one that names this address",
    "WRONG_VERSION_NUMBER": "it speaks plaintext and this side TLS: give both the tls options, or neither",
    "Socket closed": "it hung up on a new connection: it is ending, or asks for TLS and a certificate that it "
    "believes, and then its own log says what it misses",
}
"""By what gRPC's text contains. A refused client is told nothing but the end of the connection, see TLS 1.3."""
NEW_CONNECTION = "failed to connect"


class Failed(Protocol):
    """An error or a call of either kind of channel."""

    def code(self) -> grpc.StatusCode:
        """Its status."""

    def details(self) -> str | None:
        """What the server, or gRPC, says of it."""


def reason(failed: Failed) -> str:
    """Status and details of a failed call in one line."""
    details = failed.details() or "no details"
    meant = [meaning for sign, meaning in MEANINGS.items() if sign in details] if NEW_CONNECTION in details else []
    return f"{failed.code().name}: {details}" + "".join(f" ({meaning})" for meaning in meant)
