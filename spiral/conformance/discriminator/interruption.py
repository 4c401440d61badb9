"""Callers that go away, that are slow, that are many, and a discriminator that is asked to end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import grpc
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc

from spiral.conformance.case import case, refused, require
from spiral.conformance.discriminator.subject import SAMPLES, DiscriminatorTarget, close, scores_of
from spiral.conformance.process import END_S
from spiral.conformance.target import DEADLINE_S
from spiral.v1.discriminator_pb2 import SampleTargetsRequest, ScoreRequest, ScoreResponse
from spiral.v1.discriminator_pb2_grpc import DiscriminatorServiceStub

RETRY = "grpc-retry-pushback-ms"
SLOW_CALLERS, CALLERS = 4, 24
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


class Slow:
    """A batch of which the rest comes when it is let go."""

    def __init__(self, discriminator: DiscriminatorTarget, requests: list[ScoreRequest], channel: grpc.Channel) -> None:
        self.sent = threading.Event()
        self._rest = threading.Event()
        self._requests = requests
        self.call: Any = DiscriminatorServiceStub(channel).Score.future(self._iterate(), timeout=DEADLINE_S)
        self.sent.wait(DEADLINE_S)

    def _iterate(self) -> Iterator[ScoreRequest]:
        yield self._requests[0]
        self.sent.set()
        self._rest.wait(DEADLINE_S)
        yield from self._requests[1:]

    def go_on(self) -> None:
        """Send the rest."""
        self._rest.set()

    def result(self) -> ScoreResponse:
        """The answer, once the rest was sent."""
        self.go_on()
        answer: ScoreResponse = self.call.result()
        return answer

    def cancel(self) -> None:
        """Go away; nothing where it is over."""
        self.call.cancel()
        self.go_on()


@case("discriminator", "cancellation")
def a_caller_that_goes_away_harms_nobody(discriminator: DiscriminatorTarget) -> None:
    """A caller that goes away in the middle of a batch harms nobody, and its batch earns no update.

    Waits until the version stands still, sends the header of a batch to be remembered, and cancels the call. The
    version must stay, and another batch must be scored.
    """
    before = discriminator.settled()
    requests = discriminator.batch(discriminator.pictures(70), remember=True)
    with discriminator.connection() as channel:
        Slow(discriminator, requests, channel).cancel()
    after = discriminator.settled()
    require(after == before, f"the version went from {before} to {after} by a batch that was never sent whole")


@case("discriminator", "cancellation")
def a_deadline_in_the_middle_of_a_batch_harms_nobody(discriminator: DiscriminatorTarget) -> None:
    """A deadline in the middle of a batch ends only that call.

    Sends the header of a batch with a deadline of one second, and nothing more. The call must end with
    DEADLINE_EXCEEDED, and another batch must be scored.
    """
    wait = threading.Event()
    header = discriminator.batch(discriminator.pictures(71))[0]

    def hesitant() -> Iterator[ScoreRequest]:
        yield header
        wait.wait(DEADLINE_S)

    with refused("half a batch", grpc.StatusCode.DEADLINE_EXCEEDED):
        try:
            discriminator.stub.Score(hesitant(), timeout=1.0)
        finally:
            wait.set()
    discriminator.probe(72)


@case("discriminator", "back-pressure")
def slow_callers_do_not_hold_up_others(discriminator: DiscriminatorTarget) -> None:
    """Callers that are slow to send do not hold up others.

    Begins 4 batches but sends only their headers, scores another batch meanwhile, and then continues the 4. All must be
    answered.
    """
    with ExitStack() as stack:
        slow = []
        for number in range(SLOW_CALLERS):
            channel = stack.enter_context(discriminator.connection())
            requests = discriminator.batch(discriminator.pictures(80 + number))
            slow.append(Slow(discriminator, requests, channel))
            stack.callback(slow[-1].cancel)
        discriminator.probe(73)
        for each in slow:
            scores_of(each.result(), 3, 4)


@case("discriminator", "back-pressure")
def a_crowd_is_answered_or_told_when_to_come_again(discriminator: DiscriminatorTarget) -> None:
    """Many callers at once are answered, or told when to ask again.

    Sends 24 batches at once. Each must be scored as it is alone, or end with RESOURCE_EXHAUSTED and the trailing
    metadata ``grpc-retry-pushback-ms``, a whole number above 0. A batch must be scored afterwards.
    """
    discriminator.settled()
    pictures = discriminator.pictures(90, 4, 16)
    right = scores_of(discriminator.score(discriminator.batch(pictures)), 4, 16)
    batches = [discriminator.batch(pictures) for _ in range(CALLERS)]

    def ask(batch: list[ScoreRequest]) -> np.ndarray | str:
        try:
            return scores_of(discriminator.score(batch), 4, 16)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED:
                raise
            trailing: Any = error
            return str(dict(trailing.trailing_metadata() or ()).get(RETRY, ""))

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(ask, batches))
    for answer in answers:
        if isinstance(answer, str):
            require(answer.isdecimal() and int(answer) > 0, f'{RETRY} is "{answer}"; expected milliseconds above 0')
        else:
            require(close(answer, right), "scores in a crowd are not those of the same pictures alone")
    discriminator.probe(91)


@case("discriminator", "drain")
def it_answers_what_is_under_way_and_ends(discriminator: DiscriminatorTarget) -> None:
    """Asked to end, it answers the calls under way, refuses new ones, and exits with code 0.

    Sends the header of a batch, then SIGTERM (or runs ``--drain-command``). A watch of health must report NOT_SERVING;
    the batch, sent to its end, must be scored; a new batch, and a draw, must end with UNAVAILABLE; and the process must
    exit with code 0. Skipped if neither ``--command`` nor ``--drain-command`` is given.
    """
    requests = discriminator.batch(discriminator.pictures(95))
    first, another = (discriminator.batch(discriminator.pictures(seed)) for seed in (96, 97))
    draws = SAMPLES in discriminator.info.capabilities
    with discriminator.connection() as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=END_S)
        next(iter(watch))
        slow = Slow(discriminator, requests, channel)
        try:
            discriminator.score(first, channel)  # calls begin in order, so that the slow one has begun
            discriminator.ask_to_end()
            status = next(iter(watch)).status
            require(status == NOT_SERVING, f"health says {status} after SIGTERM; expected {NOT_SERVING}")
            stub = DiscriminatorServiceStub(channel)
            with refused("a new batch", grpc.StatusCode.UNAVAILABLE):
                stub.Score(iter(another), timeout=DEADLINE_S)
            if draws:
                with refused("a draw", grpc.StatusCode.UNAVAILABLE):
                    stub.SampleTargets(SampleTargetsRequest(count=1), timeout=DEADLINE_S)
            scores_of(slow.result(), 3, 4)
        finally:
            slow.cancel()
    if discriminator.command is not None:
        code = discriminator.command.wait()
        require(code == 0, f"it ended with {code}; expected 0 within {END_S:g} s: {discriminator.command.tail()}")
