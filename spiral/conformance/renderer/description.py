"""What the engine says of itself."""

from __future__ import annotations

from grpc import StatusCode

from spiral.conformance.case import case, refused, require
from spiral.conformance.every.identity import UNKNOWN_FIELD
from spiral.conformance.renderer.subject import RendererTarget
from spiral.conformance.target import DEADLINE_S
from spiral.v1.program_pb2 import EngineSettings
from spiral.v1.renderer_pb2 import DescribeEngineRequest

CHANNELS = (1, 3, 4)
LONG_NAME = "é" * 20_000


@case("renderer", "identity")
def the_engine_is_described(renderer: RendererTarget) -> None:
    """The engine is described: components, observation, canvas, version.

    Calls ``DescribeEngine``. Component names must be unique, each with at least 2 values, a grid with a square number;
    ``counts`` must be empty or have one row for each value of the first component, each as long as the components and
    true at the first; shapes must be [H, W, C] with C the same and 1, 3 or 4; the observation's sides must divide the
    canvas's; ``engine_version`` must not be empty.
    """
    described = renderer.describe()
    for name, shape in (("observation_shape", described.observation_shape), ("canvas_shape", described.canvas_shape)):
        require(
            len(shape) == 3 and min(shape) >= 1 and shape[2] in CHANNELS,
            f"{name} is {list(shape)}; expected [H, W, C] with C one of {CHANNELS}",
        )
    observation, canvas = described.observation_shape, described.canvas_shape
    require(
        observation[2] == canvas[2] and canvas[0] % observation[0] == 0 and canvas[1] % observation[1] == 0,
        f"observation_shape {list(observation)} is no exact division of canvas_shape {list(canvas)}",
    )
    require(described.version, "engine_version is empty; expected what decides the pixels")


@case("renderer", "idempotency")
def describing_twice_says_the_same(renderer: RendererTarget) -> None:
    """Describing an engine twice gives the same answer.

    Calls ``DescribeEngine`` twice. The answers must be equal.
    """
    require(renderer.describe() == renderer.describe(), "two descriptions of one engine differ")


@case("renderer", "validation")
def an_engine_that_is_missing_or_unknown_is_refused(renderer: RendererTarget) -> None:
    """An engine that is missing or unknown is refused.

    Calls ``DescribeEngine`` without ``engine``, and with the engine ``no-such-engine``. Each must end with
    INVALID_ARGUMENT, and the details must name ``engine``.
    """
    with refused("no engine", StatusCode.INVALID_ARGUMENT, "engine"):
        renderer.stub.DescribeEngine(DescribeEngineRequest(), timeout=DEADLINE_S)
    with refused("an unknown engine", StatusCode.INVALID_ARGUMENT, "engine", "no-such-engine"):
        request = DescribeEngineRequest(engine=EngineSettings(engine="no-such-engine"))
        renderer.stub.DescribeEngine(request, timeout=DEADLINE_S)


@case("renderer", "validation")
def settings_that_make_no_sense_are_refused(renderer: RendererTarget) -> None:
    """Settings that are not a JSON object are refused.

    Calls ``DescribeEngine`` with ``settings_json`` that is not JSON, a list, a number. Each must end with
    INVALID_ARGUMENT, and the details must name ``settings_json``.
    """
    for text in ("{", "[]", "7"):
        with refused(f"settings_json {text}", StatusCode.INVALID_ARGUMENT, "settings_json"):
            _describe(renderer, text)


@case("renderer", "validation")
def unknown_settings_are_refused(renderer: RendererTarget) -> None:
    """A setting that the engine does not know is refused.

    Calls ``DescribeEngine`` with ``{"no_such_setting": 1}``. It must end with INVALID_ARGUMENT, and the details must
    name ``no_such_setting``.
    """
    with refused("an unknown setting", StatusCode.INVALID_ARGUMENT, "no_such_setting"):
        _describe(renderer, '{"no_such_setting": 1}')


@case("renderer", "validation")
def a_long_name_is_refused_with_a_status_that_arrives(renderer: RendererTarget) -> None:
    """The refusal of a very long value arrives with its status.

    Calls ``DescribeEngine`` with an engine whose name is the letter é 20,000 times. It must end with INVALID_ARGUMENT
    that names ``engine``. Details travel as percent-encoded UTF-8, and a client reports RESOURCE_EXHAUSTED if they
    exceed its limit on headers, usually 8 KiB; so a service must shorten them.
    """
    request = DescribeEngineRequest(engine=EngineSettings(engine=LONG_NAME))
    with refused("a name of 20,000 letters", StatusCode.INVALID_ARGUMENT, "engine"):
        renderer.stub.DescribeEngine(request, timeout=DEADLINE_S)


@case("renderer", "compatibility")
def unknown_fields_of_a_description_are_ignored(renderer: RendererTarget) -> None:
    """What a newer minor version adds to DescribeEngineRequest is ignored.

    Calls ``DescribeEngine`` with an unknown field (number 1999) in the request and in its engine settings. The answer
    must be the one without them.
    """
    engine = EngineSettings.FromString(renderer.engine.SerializeToString() + UNKNOWN_FIELD)
    request = DescribeEngineRequest.FromString(DescribeEngineRequest(engine=engine).SerializeToString() + UNKNOWN_FIELD)
    plain = renderer.stub.DescribeEngine(DescribeEngineRequest(engine=renderer.engine), timeout=DEADLINE_S)
    found = renderer.stub.DescribeEngine(request, timeout=DEADLINE_S)
    require(found == plain, "DescribeEngine answers something else to a request with unknown fields")


def _describe(renderer: RendererTarget, settings_json: str) -> None:
    engine = EngineSettings(engine=renderer.engine.engine, settings_json=settings_json)
    renderer.stub.DescribeEngine(DescribeEngineRequest(engine=engine), timeout=DEADLINE_S)
