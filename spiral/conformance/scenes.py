"""The target and the peers that the suite plays for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq

from spiral.conformance.actor.subject import ActorTarget
from spiral.conformance.discriminator.subject import DiscriminatorTarget
from spiral.conformance.learner.subject import LearnerTarget
from spiral.conformance.peers.discriminator import PlayedDiscriminator
from spiral.conformance.peers.hosting import beside, hosted
from spiral.conformance.peers.learner import PlayedLearner
from spiral.conformance.peers.renderer import MAX_STREAMS, PlayedRenderer
from spiral.conformance.peers.task import Task
from spiral.conformance.renderer.subject import RendererTarget
from spiral.conformance.suite_options import SuiteOptions
from spiral.conformance.target import ASSEMBLE_S, REACH_S, START_S, Target
from spiral.v1.discriminator_pb2_grpc import add_DiscriminatorServiceServicer_to_server
from spiral.v1.learner_pb2_grpc import add_LearnerServiceServicer_to_server
from spiral.v1.renderer_pb2_grpc import add_RendererServiceServicer_to_server
from spiral.values.versions import Version
from spiral.wire.curve import Keys, gatekeeper
from spiral.wire.tls import Identity


@dataclass(frozen=True, slots=True)
class Scene:
    """A target among its peers."""

    target: Target
    environment: dict[str, str]
    """With which the target has to be started."""


@contextmanager
def set_up(options: SuiteOptions, address: str, folder: Path) -> Iterator[Scene]:
    """Listen where the target needs somebody to listen; ``folder`` is the suite's own."""
    identity, keys = options.identity(), options.keys()
    common: dict[str, Any] = {
        "service": options.service,
        "address": address,
        "identity": identity,
        "metrics_url": options.metrics,
        "drain_command": options.drain_command,
        "start_s": START_S if options.command else REACH_S,
    }
    with ExitStack() as stack:
        if options.service == "renderer":
            target: Target = RendererTarget(**common, engine_name=options.engine, settings_json=options.settings)
            yield Scene(target, {"SPIRAL_LISTEN": address})
        elif options.service == "discriminator":
            yield Scene(DiscriminatorTarget(**common, observation_shape=options.shape()), {"SPIRAL_LISTEN": address})
        elif options.service == "learner":
            yield _learner(options, common, keys, folder, stack)
        else:
            yield _actor(options, common, keys, folder, stack)


def play_renderer(address: str, identity: Identity | None, stack: ExitStack) -> tuple[PlayedRenderer, str]:
    """A renderer of squares, and its address."""
    played = PlayedRenderer()
    place, info = stack.enter_context(
        hosted(
            "renderer",
            beside(address, "renderer"),
            identity,
            lambda server: add_RendererServiceServicer_to_server(played, server),
            max_streams=MAX_STREAMS,
        )
    )
    info.engines = ("squares",)
    return played, place


def play_discriminator(address: str, identity: Identity | None, stack: ExitStack) -> tuple[PlayedDiscriminator, str]:
    """A discriminator that likes ink, and its address."""
    played = PlayedDiscriminator()
    place, _ = stack.enter_context(
        hosted(
            "discriminator",
            beside(address, "discriminator"),
            identity,
            lambda server: add_DiscriminatorServiceServicer_to_server(played, server),
            capabilities=("sample-targets",),
        )
    )
    stack.callback(played.release)
    return played, place


def _learner(options: SuiteOptions, common: dict[str, Any], keys: Keys | None, folder: Path, stack: ExitStack) -> Scene:
    task, address = _task(options, common), str(common["address"])
    renderer, to_renderer = play_renderer(address, common["identity"], stack)
    discriminator, to_discriminator = play_discriminator(address, common["identity"], stack)
    data = options.learner_data or f"unix:{folder}/data"
    if keys is not None:
        _ = keys.server  # several are a mistake of the user's, not of the target's
    target = LearnerTarget(
        **common,
        data_address=data,
        task=task,
        renderer=renderer,
        discriminator=discriminator,
        context=stack.enter_context(zmq.Context()),
        keys=keys,
    )
    return Scene(
        target,
        {
            "SPIRAL_LISTEN": address,
            "SPIRAL_LEARNER_DATA": data,
            "SPIRAL_RENDERER": to_renderer,
            "SPIRAL_DISCRIMINATOR": to_discriminator,
            "SPIRAL_RUN_DIR": str(folder / "run"),
            **task.environment(),
        },
    )


def _actor(options: SuiteOptions, common: dict[str, Any], keys: Keys | None, folder: Path, stack: ExitStack) -> Scene:
    task, address = _task(options, common), str(common["address"])
    renderer, to_renderer = play_renderer(address, common["identity"], stack)
    discriminator, to_discriminator = play_discriminator(address, common["identity"], stack)
    context = stack.enter_context(zmq.Context())
    stack.enter_context(gatekeeper(context, keys))
    learner = PlayedLearner(context, options.learner_data or beside(address, "data"), keys)
    target = ActorTarget(
        **common,
        task=task,
        renderer=renderer,
        discriminator=discriminator,
        learner=learner,
        weights_file=options.weights.read_bytes() if options.weights else b"",
    )
    # Before anybody can ask: to an actor, paintings of a generation that its learner does not name are old ones.
    target.publish(Version(1, 0))
    data = stack.enter_context(learner.listening())
    to_learner, _ = stack.enter_context(
        hosted(
            "learner",
            beside(address, "learner"),
            common["identity"],
            lambda server: add_LearnerServiceServicer_to_server(learner.weights, server),
        )
    )
    return Scene(
        target,
        {
            "SPIRAL_LISTEN": address,
            "SPIRAL_LEARNER": to_learner,
            "SPIRAL_LEARNER_DATA": data,
            "SPIRAL_RENDERER": to_renderer,
            "SPIRAL_DISCRIMINATOR": to_discriminator,
            **task.environment(),
        },
    )


def _task(options: SuiteOptions, common: dict[str, Any]) -> Task:
    """The run; a target that needs peers and is started by hand is given time for it."""
    if not options.command:
        common["start_s"] = ASSEMBLE_S
    return Task.load(options.config, options.set)
