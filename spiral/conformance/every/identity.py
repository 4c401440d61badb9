"""Who stands at the address."""

from __future__ import annotations

from spiral.conformance.case import case, require
from spiral.conformance.target import DEADLINE_S, Target
from spiral.v1 import info_pb2, info_pb2_grpc
from spiral.v1.info_pb2 import GetInfoResponse
from spiral.values.actions import PROTOCOL_MAJOR

USUAL_MESSAGE_BYTES = 4 << 20
"""What gRPC accepts unless told otherwise."""


@case("every", "identity")
def it_says_which_service_it_is(target: Target) -> None:
    """It says which service it is.

    Calls ``GetInfo``. ``service`` must be the role under test, and ``implementation`` must not be empty.
    """
    info = target.info
    require(info.service == target.service, f'service is "{info.service}"; expected "{target.service}"')
    require(info.implementation, 'implementation is empty; expected a name like "renderer-node"')


@case("every", "identity")
def it_speaks_this_major_version(target: Target) -> None:
    """It speaks this major version of the protocol.

    Calls ``GetInfo``. ``protocol_major`` must be 1.
    """
    found = target.info.protocol_major
    require(found == PROTOCOL_MAJOR, f"protocol_major is {found}; expected {PROTOCOL_MAJOR}")


@case("every", "identity")
def it_declares_its_largest_message(target: Target) -> None:
    """It declares its largest message.

    Calls ``GetInfo``. ``max_message_bytes`` must be at least gRPC's usual 4 MiB.
    """
    found = target.info.max_message_bytes
    require(found >= USUAL_MESSAGE_BYTES, f"max_message_bytes is {found}; expected at least {USUAL_MESSAGE_BYTES}")


@case("every", "identity")
def its_capabilities_are_names_each_once(target: Target) -> None:
    """Its capabilities are names, each claimed once.

    Calls ``GetInfo``. No capability may be empty or repeated.
    """
    found = list(target.info.capabilities)
    require(all(found) and len(set(found)) == len(found), f"capabilities are {found}; expected names, each once")


@case("every", "identity")
def streams_are_declared_by_renderers_alone(target: Target) -> None:
    """Only a renderer declares how many streams it takes and which engines it runs.

    Calls ``GetInfo``. A renderer's ``max_streams`` must be at least 1 and its ``engines`` must not be empty; for every
    other role ``max_streams`` must be 0 and ``engines`` empty.
    """
    info = target.info
    if target.service == "renderer":
        require(info.max_streams >= 1, f"max_streams is {info.max_streams}; expected at least 1")
        require(all(info.engines) and info.engines, f"engines are {list(info.engines)}; expected at least one name")
    else:
        require(info.max_streams == 0, f"max_streams is {info.max_streams}; expected 0 for a {target.service}")
        require(not info.engines, f"engines are {list(info.engines)}; expected none for a {target.service}")


@case("every", "compatibility")
def unknown_fields_of_get_info_are_ignored(target: Target) -> None:
    """What a newer minor version adds to GetInfoRequest is ignored.

    Calls ``GetInfo`` with an unknown field (number 1999). The answer must be the one without it.
    """
    request = info_pb2.GetInfoRequest.FromString(UNKNOWN_FIELD)
    stub = info_pb2_grpc.InfoServiceStub(target.channel)
    answer = stub.GetInfo(request, timeout=DEADLINE_S)
    require(_who(answer) == _who(target.info), "GetInfo answers something else to a request with an unknown field")


UNKNOWN_FIELD = b"\xfa\x7c\x03new"
"""Field 1999, length-delimited, of three bytes: no message has it."""


def _who(info: GetInfoResponse) -> tuple[str, str, int]:
    return info.service, info.implementation, info.protocol_major
