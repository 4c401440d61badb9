"""A learner under test, between the renderer, the discriminator and the actors that the suite plays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import grpc
import zmq

from spiral.conformance.case import Failure, require
from spiral.conformance.peers.actor import PlayedActor
from spiral.conformance.peers.discriminator import PlayedDiscriminator
from spiral.conformance.peers.renderer import PlayedRenderer
from spiral.conformance.peers.task import Task
from spiral.conformance.target import DEADLINE_S, Target, until
from spiral.v1.learner_pb2 import GetWeightsRequest, GetWeightsResponse
from spiral.v1.learner_pb2_grpc import LearnerServiceStub
from spiral.v1.trajectory_pb2 import VERDICT_ACCEPTED, Answer, Reason, Verdict
from spiral.values.versions import Version
from spiral.wire import sockets
from spiral.wire.contract import version_from_proto
from spiral.wire.curve import Keys


@dataclass(slots=True, kw_only=True)
class LearnerTarget(Target):
    """A learner at its two addresses."""

    data_address: str
    """Where it takes trajectories."""
    task: Task
    renderer: PlayedRenderer
    discriminator: PlayedDiscriminator
    context: zmq.Context[zmq.Socket[bytes]]
    keys: Keys | None = None
    """Keys for CURVE on the connection for trajectories."""

    def await_serving(self) -> None:
        """Wait until health says SERVING and there are weights: it may ask for its engine in between."""
        super(LearnerTarget, self).await_serving()
        until(self._has_weights, "the first weights", self.start_s)

    def _has_weights(self) -> bool:
        try:
            return bool(self.weights())
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
            return False

    @property
    def stub(self) -> LearnerServiceStub:
        """A stub for calls over the shared channel."""
        return LearnerServiceStub(self.channel)

    def weights(self, request: GetWeightsRequest | None = None) -> list[GetWeightsResponse]:
        """All messages of a GetWeights call."""
        return list(self.stub.GetWeights(request or GetWeightsRequest(), timeout=DEADLINE_S, wait_for_ready=True))

    @property
    def version(self) -> Version:
        """Version of the weights that are served."""
        return version_from_proto(self.weights()[0].header.version)

    @contextmanager
    def actor(self, actor_id: str = "", incarnation: int = 0) -> Iterator[PlayedActor]:
        """An actor on a connection of its own, which has not said hello."""
        socket = sockets.dealer(self.context, self.data_address, self.keys)
        actor = PlayedActor(socket, self.task, actor_id, incarnation)
        try:
            yield actor
        finally:
            actor.close()

    @contextmanager
    def welcomed(self, actor_id: str = "", incarnation: int = 0) -> Iterator[PlayedActor]:
        """An actor that the learner has taken in."""
        with self.actor(actor_id, incarnation) as actor:
            actor.welcomed()
            yield actor

    @contextmanager
    def held(self) -> Iterator[None]:
        """The discriminator answers nothing in this block, so that nothing is learned."""
        self.discriminator.hold()
        try:
            yield
        finally:
            self.discriminator.release()

    def await_learning(self, beyond: Version, actor: PlayedActor, seed: int) -> Version:
        """Send trajectories until the version is beyond ``beyond``; the new one."""

        def learnt() -> Version | None:
            accepted(actor.deliver(actor.frames(self.task.trajectory(seed))), "a valid trajectory")
            return self.version if self.version > beyond else None

        found = until(learnt, f"weights newer than {beyond}")
        if found is None:
            raise Failure(f"no weights newer than {beyond}")
        return found


def accepted(answer: Answer, what: str) -> None:
    """Fail unless a trajectory was accepted."""
    require(
        answer.verdict == VERDICT_ACCEPTED,
        f"{what}: {verdict_name(answer)} ({reason_name(answer)}: {answer.detail}); expected accepted",
    )


def verdict_name(answer: Answer) -> str:
    """The verdict in small letters."""
    known = answer.verdict in Verdict.values()
    return Verdict.Name(answer.verdict).removeprefix("VERDICT_").lower() if known else str(answer.verdict)


def reason_name(answer: Answer) -> str:
    """The reason in small letters."""
    known = answer.reason in Reason.values()
    return Reason.Name(answer.reason).removeprefix("REASON_").lower() if known else str(answer.reason)


def refused(answer: Answer, reason: Reason.ValueType, what: str) -> None:
    """Fail unless a trajectory was refused for ``reason``, with a sentence."""
    require(
        verdict_name(answer) == "refused" and answer.reason == reason,
        f"{what}: {verdict_name(answer)} ({reason_name(answer)}: {answer.detail}); expected refused "
        f"({Reason.Name(reason).removeprefix('REASON_').lower()})",
    )
    require(answer.detail, f"{what}: refused without a sentence in detail")
