"""GetInfo: a service's information about itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import grpc

from spiral.v1 import info_pb2, info_pb2_grpc
from spiral.values.actions import PROTOCOL_MAJOR
from spiral.values.versions import Version
from spiral.wire.contract import version_to_proto
from spiral.wire.edges import Service
from spiral.wire.rpc import MAX_MESSAGE_BYTES
from spiral.wire.software import software_version


class Info(info_pb2_grpc.InfoServiceServicer):
    """Answers GetInfo; values that change while the service runs are set from any thread."""

    def __init__(self, service: Service, capabilities: Sequence[str] = (), max_streams: int = 0) -> None:
        self._service = service
        self._capabilities = tuple(capabilities)
        self._max_streams = max_streams
        self._waiting: Counter[str] = Counter()
        self.metrics_url = ""
        """Address of the metrics page."""
        self.version: Version | None = None
        """Version of the weights that it serves, uses or scores with."""
        self.contract_digest = ""
        """The contract digest, once it is known."""
        self.engines: Sequence[str] = ()
        """Engines that a renderer runs, the preferred one first."""

    @contextmanager
    def waiting(self, peer: Service) -> Iterator[None]:
        """Report within this block that the service waits for ``peer``."""
        self._waiting[peer] += 1
        try:
            yield
        finally:
            self._waiting[peer] -= 1

    def GetInfo(  # noqa: N802  (gRPC's name)
        self, request: info_pb2.GetInfoRequest, context: grpc.ServicerContext
    ) -> info_pb2.GetInfoResponse:
        """Answer at once, without asking any other service."""
        return info_pb2.GetInfoResponse(
            service=self._service,
            implementation="spiral",
            implementation_version=software_version(),
            protocol_major=PROTOCOL_MAJOR,
            protocol_minor=0,
            capabilities=self._capabilities,
            max_message_bytes=MAX_MESSAGE_BYTES,
            max_streams=self._max_streams,
            metrics_url=self.metrics_url,
            version=version_to_proto(self.version) if self.version else None,
            contract_digest=self.contract_digest,
            waiting_for=[peer for peer, count in sorted(self._waiting.items()) if count > 0],
            engines=self.engines,
        )
