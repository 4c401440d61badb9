"""What may open a stream, and what a stream takes after that."""

from __future__ import annotations

from grpc import StatusCode

from spiral.conformance.case import case, refused, require
from spiral.conformance.renderer.subject import RendererTarget, random_program, same, step_request
from spiral.v1.program_pb2 import EngineSettings
from spiral.v1.renderer_pb2 import OpenCanvases, ResetCanvases, RolloutRequest

MAX_BATCH = 4096


@case("renderer", "validation")
def a_stream_begins_with_open(renderer: RendererTarget) -> None:
    """A stream whose first request is not open is refused.

    Begins a ``Rollout`` with reset, with step, and with an empty request. Each must end with INVALID_ARGUMENT, and the
    details must name ``open``.
    """
    step = step_request(random_program(renderer.describe().spec, 1, 1, 0)[0])
    for name, first in (("reset", RolloutRequest(reset=ResetCanvases())), ("step", step), ("empty", RolloutRequest())):
        with (
            refused(f"a stream that begins with {name}", StatusCode.INVALID_ARGUMENT, "open"),
            renderer.stream() as stream,
        ):
            stream.ask(first)


@case("renderer", "validation")
def a_stream_is_opened_once(renderer: RendererTarget) -> None:
    """Opening a stream twice, or an empty request after open, is refused.

    Opens a stream and sends open again; opens another and sends an empty request. Each must end with INVALID_ARGUMENT,
    and the details must name ``reset`` and ``step``.
    """
    again = RolloutRequest(open=OpenCanvases(engine=renderer.engine, batch=1))
    for name, later in (("a second open", again), ("an empty request", RolloutRequest())):
        with refused(name, StatusCode.INVALID_ARGUMENT, "reset", "step"), renderer.stream(1) as stream:
            stream.ask(later)


@case("renderer", "validation")
def a_batch_out_of_range_is_refused(renderer: RendererTarget) -> None:
    """A batch of no canvas, or of more than 4,096, is refused.

    Opens streams with the batches 0, 4,097 and 2³² − 1. Each must end with INVALID_ARGUMENT, and the details must name
    ``batch``.
    """
    for batch in (0, MAX_BATCH + 1, (1 << 32) - 1):
        with refused(f"batch {batch}", StatusCode.INVALID_ARGUMENT, "batch"), renderer.stream() as stream:
            stream.open(batch)


@case("renderer", "validation")
def opening_an_engine_that_is_not_there_is_refused(renderer: RendererTarget) -> None:
    """Opening canvases of an engine that is missing, unknown or wrongly set is refused.

    Opens streams without ``engine``, with the engine ``no-such-engine``, with settings that are not JSON, and with the
    setting ``no_such_setting``. Each must end with INVALID_ARGUMENT and details that name what is wrong.
    """
    known = renderer.engine.engine
    wrong = {
        "engine": None,
        "no-such-engine": EngineSettings(engine="no-such-engine"),
        "settings_json": EngineSettings(engine=known, settings_json="{"),
        "no_such_setting": EngineSettings(engine=known, settings_json='{"no_such_setting": 1}'),
    }
    for name, engine in wrong.items():
        with refused(f"{name} in open", StatusCode.INVALID_ARGUMENT, name), renderer.stream() as stream:
            stream.ask(RolloutRequest(open=OpenCanvases(engine=engine, batch=1)))


@case("renderer", "validation")
def seeds_are_one_for_each_canvas_or_none(renderer: RendererTarget) -> None:
    """Seeds are refused unless there are none or one per canvas.

    Opens 3 canvases and resets them with 1, 2 and 4 seeds, each on a stream of its own. Each must end with
    INVALID_ARGUMENT, and the details must name ``seeds``.
    """
    for count in (1, 2, 4):
        what = f"{count} seeds for 3 canvases"
        with refused(what, StatusCode.INVALID_ARGUMENT, "seeds"), renderer.stream(3) as stream:
            stream.reset(range(count))


@case("renderer", "semantics")
def each_request_has_one_response_in_order(renderer: RendererTarget) -> None:
    """Each request has one response, in order, and open's is empty.

    Sends open, reset and three steps without waiting, then ends its side. There must be five responses, the first
    without observations, each later one with uint8 [B, H, W, C] as described, then the end with OK; and the pictures
    must be those of a stream that waits after each request.
    """
    described = renderer.describe()
    program = random_program(described.spec, 3, 2, seed=11)
    right = renderer.paint(program)
    with renderer.stream() as stream:
        stream.say(RolloutRequest(open=OpenCanvases(engine=renderer.engine, batch=2)))
        stream.say(RolloutRequest(reset=ResetCanvases()))
        for actions in program:
            stream.say(step_request(actions))
        responses = stream.finish()
    require(len(responses) == 5, f"{len(responses)} responses to 5 requests")
    require(not responses[0].HasField("observations"), "the response to open has observations; expected none")
    shape = [2, *described.observation_shape]
    for number, response in enumerate(responses[1:], start=1):
        found = list(response.observations.shape)
        require(found == shape, f"response {number} has the shape {found}; expected {shape}")
        data = response.observations.data
        require(data == right[number - 1].tobytes(), f"response {number} is not that of request {number}")


@case("renderer", "validation")
def what_one_stream_does_wrong_costs_the_others_nothing(renderer: RendererTarget) -> None:
    """A stream that is refused leaves the others untouched.

    Paints half a program, lets another stream fail with a batch of 0 and a third with actions of another shape, and
    paints the rest. The pictures must be those of a program painted alone.
    """
    spec = renderer.describe().spec
    program = random_program(spec, 6, 2, seed=12)
    right = renderer.paint(program)
    with renderer.stream(2) as stream:
        frames = [stream.reset(), *(stream.step(actions) for actions in program[:3])]
        with refused("batch 0", StatusCode.INVALID_ARGUMENT), renderer.stream() as other:
            other.open(0)
        with refused("1 action for 2 canvases", StatusCode.INVALID_ARGUMENT), renderer.stream(2) as other:
            other.step(program[0, :1])
        frames += [stream.step(actions) for actions in program[3:]]
    for number, frame in enumerate(frames):
        same(frame, right[number], f"observation {number} beside streams that failed")
