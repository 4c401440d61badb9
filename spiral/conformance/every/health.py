"""Health by the standard service, and reflection where it is offered."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from spiral.conformance.case import Skip, case, refused, require
from spiral.conformance.target import DEADLINE_S, Target
from spiral.wire.edges import Service

SERVING = health_pb2.HealthCheckResponse.SERVING
SERVICES_OF: dict[Service, tuple[str, ...]] = {
    "renderer": ("spiral.v1.RendererService", "spiral.v1.InfoService"),
    "actor": ("spiral.v1.InfoService",),
    "learner": ("spiral.v1.LearnerService", "spiral.v1.InfoService"),
    "discriminator": ("spiral.v1.DiscriminatorService", "spiral.v1.InfoService"),
}
"""The gRPC services that each one answers."""


@case("every", "health")
def health_says_serving(target: Target) -> None:
    """Health is SERVING for the whole server and for each of its services.

    Calls ``grpc.health.v1.Health/Check`` with the empty name and with the full name of each gRPC service that the role
    has. Each answer must be SERVING.
    """
    stub = health_pb2_grpc.HealthStub(target.channel)
    for name in ("", *SERVICES_OF[target.service]):
        status = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=DEADLINE_S).status
        require(status == SERVING, f'health of "{name}" is {status}; expected {SERVING} (SERVING)')


@case("every", "health")
def health_does_not_know_strangers(target: Target) -> None:
    """Health of an unknown service is NOT_FOUND.

    Calls ``Check`` with the name ``spiral.v1.NoSuchService``. It must end with NOT_FOUND.
    """
    stub = health_pb2_grpc.HealthStub(target.channel)
    with refused("health of a service that is not there", grpc.StatusCode.NOT_FOUND):
        stub.Check(health_pb2.HealthCheckRequest(service="spiral.v1.NoSuchService"), timeout=DEADLINE_S)


@case("every", "health")
def health_can_be_watched(target: Target) -> None:
    """Health can be watched.

    Calls ``Watch`` with the empty name. The first message must come at once and be SERVING; then the call is cancelled.
    """
    call = health_pb2_grpc.HealthStub(target.channel).Watch(health_pb2.HealthCheckRequest(), timeout=DEADLINE_S)
    try:
        status = next(call).status
    finally:
        call.cancel()
    require(status == SERVING, f"the first status watched is {status}; expected {SERVING} (SERVING)")


@case("every", "health", "extended")
def reflection_lists_its_services(target: Target) -> None:
    """Reflection, if there is any, lists its services.

    Asks ``grpc.reflection.v1alpha.ServerReflection`` for the services. The role's gRPC services and health must be
    among them. Skipped if reflection is not implemented.
    """
    stub = reflection_pb2_grpc.ServerReflectionStub(target.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    try:
        answer = next(stub.ServerReflectionInfo(iter([request]), timeout=DEADLINE_S))
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNIMPLEMENTED:
            raise Skip("it has no reflection service, which is optional") from error
        raise
    found = {service.name for service in answer.list_services_response.service}
    missing = {*SERVICES_OF[target.service], "grpc.health.v1.Health"} - found
    require(not missing, f"reflection does not list {', '.join(sorted(missing))}")
