"""Light actors that speak the trajectory protocol and paint nothing: many of them fit one process and one core."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import zmq.asyncio

from spiral.v1.trajectory_pb2 import (
    VERDICT_ACCEPTED,
    ActorMessage,
    Answer,
    Hello,
    LearnerMessage,
    Reason,
    TrajectoryHeader,
)
from spiral.v1.version_pb2 import Version as VersionMessage
from spiral.values.trajectories import Trajectory, TrajectoryContract
from spiral.wire import sockets, tensors


@dataclass(slots=True)
class StandIn:
    """One of them, and what became of what it sent."""

    name: str
    credits: int = 0
    unanswered: int = 0
    most: int = 0
    """Most credits that it held or had used without an answer at a time."""
    accepted: int = 0
    other: list[str] = field(default_factory=list)
    """Answers that were no acceptance, and refused hellos."""
    version: VersionMessage = field(default_factory=VersionMessage)


class StandIns:
    """Actors that send one and the same trajectory again and again, each whenever it has a credit."""

    def __init__(self, address: str, contract: TrajectoryContract, trajectory: Trajectory, paint_s: float) -> None:
        """``paint_s``: time from a credit until the trajectory is there, as painting it would take."""
        self.everyone: list[StandIn] = []
        self._address, self._contract, self._paint_s = address, contract, paint_s
        self._frames = [tensors.frame_of(array) for array in trajectory.tensors().values()]
        self._specs = [tensors.spec_of(name, array) for name, array in trajectory.tensors().items()]
        self._loop = asyncio.new_event_loop()
        self._context = zmq.asyncio.Context()
        self._acting: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="stand-ins")
        self._thread.start()

    def add(self, count: int) -> None:
        """Let so many more come."""
        for _ in range(count):
            self.everyone.append(StandIn(f"stand-in-{len(self.everyone)}"))
            self._loop.call_soon_threadsafe(self._start, self.everyone[-1])

    @property
    def accepted(self) -> list[int]:
        """Accepted trajectories of each; raises what ended one of them."""
        if self._failure is not None:
            raise RuntimeError("a stand-in has failed") from self._failure
        return [one.accepted for one in self.everyone]

    def close(self) -> None:
        """End them all."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._context.term()

    def _start(self, one: StandIn) -> None:
        task = self._loop.create_task(self._act(one))
        self._acting.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()

    async def _end(self) -> None:
        for task in self._acting:
            task.cancel()
        await asyncio.gather(*self._acting, return_exceptions=True)

    async def _act(self, one: StandIn) -> None:
        socket = sockets.dealer(self._context, self._address)
        painting: set[asyncio.Task[None]] = set()
        try:
            hello = Hello(actor_id=one.name, incarnation=1, contract_digest=self._contract.digest)
            await socket.send(ActorMessage(hello=hello).SerializeToString())
            while True:
                self._take(one, LearnerMessage.FromString(await socket.recv()))
                one.most = max(one.most, one.credits + one.unanswered)
                while one.credits:
                    one.credits, one.unanswered = one.credits - 1, one.unanswered + 1
                    sequence = one.accepted + len(one.other) + one.unanswered
                    task = asyncio.create_task(self._paint(one, socket, sequence))
                    painting.add(task)
                    task.add_done_callback(painting.discard)
        finally:
            for task in painting:
                task.cancel()
            socket.close(linger=0)

    async def _paint(self, one: StandIn, socket: zmq.asyncio.Socket, sequence: int) -> None:
        version = VersionMessage.FromString(one.version.SerializeToString())
        await asyncio.sleep(self._paint_s)
        header = TrajectoryHeader(
            actor_id=one.name,
            incarnation=1,
            sequence=sequence,
            contract_digest=self._contract.digest,
            oldest_version=version,
            newest_version=version,
            tensors=self._specs,
            duration_s=self._paint_s,
        )
        await socket.send_multipart([ActorMessage(trajectory=header).SerializeToString(), *self._frames])

    def _take(self, one: StandIn, message: LearnerMessage) -> None:
        match message.WhichOneof("message"):
            case "welcome":
                one.credits, one.version = message.welcome.credits, message.welcome.version
            case "heartbeat":
                one.credits += message.heartbeat.credits
                one.version = message.heartbeat.version
            case "answer":
                self._settle(one, message.answer)
            case "refused":
                one.other.append(message.refused.detail)

    def _settle(self, one: StandIn, answer: Answer) -> None:
        one.unanswered -= 1
        one.credits += answer.credits
        one.version = answer.version
        if answer.verdict == VERDICT_ACCEPTED:
            one.accepted += 1
        else:
            one.other.append(f"{Reason.Name(answer.reason)}: {answer.detail}")


def any_trajectory(contract: TrajectoryContract, batch: int) -> Trajectory:
    """Random actions and pictures that the contract allows."""
    rng = np.random.default_rng(0)
    values = {}
    for name, (kind, shape) in contract.tensors(batch).items():
        match name:
            case "actions":
                values[name] = rng.integers(0, contract.spec.sizes, shape).astype(kind)
            case "behaviour_log_prob":
                values[name] = -rng.random(shape, kind)
            case _:
                values[name] = rng.integers(0, 256, shape).astype(kind)
    return Trajectory(**values)


@contextmanager
def stand_ins(
    address: str, contract: TrajectoryContract, trajectory: Trajectory, paint_s: float = 0.0
) -> Iterator[StandIns]:
    """Stand-ins before the learner at ``address``; nobody comes before they are added."""
    actors = StandIns(address, contract, trajectory, paint_s)
    try:
        yield actors
    finally:
        actors.close()
