"""Broken renderers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf.unknown_fields import UnknownFieldSet
from numpy.typing import NDArray

from spiral.engines.mypaint.settings import MyPaintSettings
from spiral.services.renderer import servicer, stream_limit
from spiral.v1 import renderer_pb2
from spiral.v1.program_pb2 import EngineSettings
from spiral.v1.tensor_pb2 import DataType
from spiral.wire import interceptor
from tests.conformance.mutants.mutant import Mutant

Patch = pytest.MonkeyPatch


class Wrapped:
    """Canvases with another step or reset."""

    def __init__(
        self,
        canvases: Any,
        step: Callable[[Any, NDArray[np.int32], Any], NDArray[np.uint8]] | None = None,
        reset: Callable[[Any, Any, Any], NDArray[np.uint8]] | None = None,
    ) -> None:
        self._canvases, self._step, self._reset = canvases, step, reset

    def step(self, actions: NDArray[np.int32], out: Any = None) -> NDArray[np.uint8]:
        return self._step(self._canvases, actions, out) if self._step else self._canvases.step(actions, out=out)

    def reset(self, seeds: Any, out: Any = None) -> NDArray[np.uint8]:
        return self._reset(self._canvases, seeds, out) if self._reset else self._canvases.reset(seeds, out=out)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._canvases, name)


def wrap(patch: Patch, **changes: Any) -> None:
    real = servicer._open
    patch.setattr(servicer, "_open", lambda *arguments: Wrapped(real(*arguments), **changes))


def after_step(patch: Patch, change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> None:
    """Change what Rollout answers, not what is on the canvases."""
    real = servicer.Renderer._step

    def step(self: Any, canvases: Any, request: Any, components: int, observations: NDArray[np.uint8]) -> None:
        real(self, canvases, request, components, observations)
        observations[:] = change(observations)

    patch.setattr(servicer.Renderer, "_step", step)


def neighbours(patch: Patch) -> None:
    after_step(patch, lambda seen: np.roll(seen, 1, axis=0))


def rounds_down(patch: Patch) -> None:
    after_step(patch, lambda seen: np.where(seen == 255, 255, seen - (seen > 0)).astype(np.uint8))


def remnants(patch: Patch) -> None:
    fresh: set[int] = set()

    def reset(canvases: Any, seeds: Any, out: Any) -> Any:
        if id(canvases) not in fresh:
            fresh.add(id(canvases))
            return canvases.reset(seeds, out=out)
        out[:] = 255
        return out

    real = servicer._open

    def opened(*arguments: Any) -> Any:
        canvases = real(*arguments)
        fresh.discard(id(canvases))  # ids are used again
        return Wrapped(canvases, reset=reset)

    patch.setattr(servicer, "_open", opened)


def clamps(patch: Patch) -> None:
    real = servicer._open

    def opened(engine: Any, *rest: Any) -> Any:
        top = np.array(engine.spec.sizes) - 1
        return Wrapped(
            real(engine, *rest),
            step=lambda canvases, actions, out: canvases.step(np.clip(actions, 0, top).astype(np.int32), out=out),
        )

    patch.setattr(servicer, "_open", opened)


def masks_nothing(patch: Patch) -> None:
    def step(canvases: Any, actions: NDArray[np.int32], out: Any) -> NDArray[np.uint8]:
        seen: NDArray[np.uint8] = canvases.step(actions, out=out)
        seen[:, 0, 0, 0] -= ((actions[:, 0] == 0) * (actions[:, -1] % 7)).astype(np.uint8)
        return seen

    wrap(patch, step=step)


def any_type(patch: Patch) -> None:
    real = servicer.decode

    def decode(tensor: Any, name: str, dtype: Any, shape: Any) -> Any:
        if tensor.dtype == DataType.DATA_TYPE_INT32 or not tensor.data:
            return real(tensor, name, dtype, shape)
        return np.zeros(tuple(tensor.shape), np.int32)

    patch.setattr(servicer, "decode", decode)


def any_seeds(patch: Patch) -> None:
    patch.setattr(servicer, "_seeds", lambda reset, batch: np.zeros(batch, np.int64))


def no_limit(patch: Patch) -> None:
    @contextmanager
    def slot(self: Any) -> Iterator[None]:
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1

    patch.setattr(stream_limit.Streams, "slot", slot)


def no_retry(patch: Patch) -> None:
    patch.setattr(stream_limit, "RETRY_AFTER_MS", None)


def leaks(patch: Patch, when: Callable[[BaseException], bool]) -> None:
    real = servicer.Renderer._rollout

    def rollout(self: Any, opened: renderer_pb2.OpenCanvases, *others: Any) -> Iterator[Any]:
        try:
            yield from real(self, opened, *others)
        except BaseException as error:
            if when(error):
                self._metrics["spiral_renderer_canvases"].inc(opened.batch)
            raise

    patch.setattr(servicer.Renderer, "_rollout", rollout)


def leaks_refused(patch: Patch) -> None:
    leaks(patch, lambda error: isinstance(error, ValueError))


def leaks_cancelled(patch: Patch) -> None:
    leaks(patch, lambda error: isinstance(error, grpc.RpcError | GeneratorExit) or type(error) is Exception)


def ignores_settings(patch: Patch) -> None:
    real = servicer._engine

    def engine(message: EngineSettings) -> Any:
        try:
            settings = json.loads(message.settings_json)
        except ValueError:
            return real(message)
        if not isinstance(settings, dict):
            return real(message)
        known = {key: value for key, value in settings.items() if key in MyPaintSettings.model_fields}
        return real(EngineSettings(engine=message.engine, settings_json=json.dumps(known)))

    patch.setattr(servicer, "_engine", engine)


def stops_short(patch: Patch) -> None:
    real = servicer.Renderer._render

    def render(self: Any, engine: Any, request: Any, actions: Any, context: Any) -> Iterator[Any]:
        for response in real(self, engine, request, actions, context):
            if request.every and response.step % request.every == 0:
                yield response

    patch.setattr(servicer.Renderer, "_render", render)


def fears_tomorrow(patch: Patch) -> None:
    real = servicer._engine

    def engine(message: EngineSettings) -> Any:
        if len(UnknownFieldSet(message)):
            raise ValueError("engine: a field that this version does not know")
        return real(message)

    patch.setattr(servicer, "_engine", engine)


def tells_all(patch: Patch) -> None:
    patch.setattr(interceptor, "fit", str)


AVERAGE = "observations_are_area_averages_of_the_canvas"
MUTANTS = (
    Mutant("renderer", "answers with its neighbor's canvas", ("the_place_in_the_batch_does_not_matter",), neighbours),
    Mutant("renderer", "rounds averages down", (AVERAGE,), rounds_down),
    Mutant(
        "renderer",
        "says blank and keeps the last episode",
        ("a_reset_leaves_nothing_of_the_episode_before", "resetting_twice_is_resetting_once"),
        remnants,
    ),
    Mutant("renderer", "clamps actions to their range", ("every_component_has_its_range",), clamps),
    Mutant(
        "renderer",
        "lets components paint that do not count",
        ("components_that_do_not_count_have_no_effect", AVERAGE),
        masks_nothing,
    ),
    Mutant(
        "renderer",
        "takes actions of any type",
        ("actions_of_another_type_are_refused", "actions_of_a_type_of_tomorrow_are_refused"),
        any_type,
    ),
    Mutant("renderer", "takes any number of seeds", ("seeds_are_one_for_each_canvas_or_none",), any_seeds),
    Mutant("renderer", "takes more streams than it declares", ("one_stream_too_many_is_refused",), no_limit),
    Mutant("renderer", "does not say when to ask again", ("one_stream_too_many_is_refused",), no_retry),
    Mutant("renderer", "leaks the canvases of who errs", ("a_refused_stream_frees_its_canvases",), leaks_refused),
    Mutant(
        "renderer",
        "leaks the canvases of who goes away",
        (
            "a_stream_that_is_cancelled_frees_its_canvases",
            "a_deadline_ends_a_stream_and_frees_its_canvases",
            "a_connection_that_ends_frees_its_canvases",
        ),
        leaks_cancelled,
        quick=False,
    ),
    Mutant(
        "renderer",
        "ignores settings that it does not know",
        ("unknown_settings_are_refused", "opening_an_engine_that_is_not_there_is_refused"),
        ignores_settings,
    ),
    Mutant(
        "renderer",
        "leaves the last frame out",
        ("every_kth_frame_and_the_last_are_rendered", "a_program_is_rendered_at_every_scale"),
        stops_short,
    ),
    Mutant(
        "renderer",
        "never cuts a long sentence",
        ("a_long_name_is_refused_with_a_status_that_arrives",),
        tells_all,
    ),
    Mutant("renderer", "refuses fields of tomorrow", ("unknown_fields_of_a_description_are_ignored",), fears_tomorrow),
)
