"""Trajectories over real sockets, both ends ours: the actor's sender before learners that come and are replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import zmq.asyncio

from spiral.services.actor.learner_connection import EVENTS
from spiral.services.actor.learner_session import LearnerSession, Outcome
from spiral.services.actor.trajectory_sender import TrajectorySender
from spiral.services.actor.waiting import Waits
from spiral.services.learner.admission import Admission
from spiral.values.versions import Version
from spiral.wire import sockets
from spiral.wire.info import Info
from tests.support.ingests import learning
from tests.support.trajectory_messages import BATCH, CONTRACT, VERSION, make_trajectory


class Actor:
    """The actor's real end, and what became of its trajectories."""

    def __init__(self, context: zmq.asyncio.Context, address: str, incarnation: int = 7) -> None:
        self.outcomes: list[Outcome] = []
        info = Info("actor")
        self.sender = TrajectorySender(
            lambda: sockets.dealer(context, address, monitored=EVENTS),
            LearnerSession("a", incarnation, CONTRACT.digest),
            Waits(lambda peer, seconds: None, info.waiting),
            self.outcomes.append,
        )

    async def send(self, version: Version = VERSION) -> None:
        """Send a trajectory."""
        await self.sender.send(make_trajectory(), version, version, 0.5)

    async def settled(self, count: int) -> list[Outcome]:
        """The outcomes, once there are ``count``."""
        async with asyncio.timeout(30):
            while len(self.outcomes) < count:
                await asyncio.sleep(0.01)
        return self.outcomes


def run_actor(address: str, story: Callable[[Actor], object], incarnation: int = 7) -> None:
    async def main() -> None:
        with zmq.asyncio.Context() as context:
            actor = Actor(context, address, incarnation)
            running = asyncio.create_task(actor.sender.run())
            try:
                await story(actor)  # type: ignore[misc]
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    asyncio.run(main())


def admission_of(version: Version) -> Admission:
    return Admission(
        CONTRACT, version, batch=BATCH, learner_batch=BATCH, queue=4, queue_bytes=1 << 20, credits_per_actor=2
    )


def test_an_actor_ships_to_a_learner_that_comes_later_and_to_its_successor(address: str) -> None:
    async def story(actor: Actor) -> None:
        early = asyncio.create_task(actor.send())
        with learning(address) as learner:
            await early
            assert await actor.settled(1) == ["accepted"]
            assert await asyncio.to_thread(learner.ingest.take, 30.0) is not None
        successor = Version(4, 10)
        with learning(address, admission_of(successor)) as learner:
            # The end of the connection was noticed: the actor has said hello to it, and does not even send what the
            # old generation painted.
            await actor.send()
            assert await actor.settled(2) == ["accepted", "dropped"]
            assert learner.count("spiral_learner_refused_total", reason="no_hello") == 0
            await actor.send(successor)
            assert (await actor.settled(3))[-1] == "accepted"
            arrived = await asyncio.to_thread(learner.ingest.take, 30.0)
            assert arrived is not None
            assert arrived.oldest_version == successor

    run_actor(address, story)


def test_a_learner_takes_an_actor_that_was_restarted(address: str) -> None:
    async def story(actor: Actor) -> None:
        await actor.send()
        await actor.settled(1)

    # Heartbeats find out who is gone: a credit that was on its way to an actor as it ended would be lost without.
    with learning(address, heartbeat_s=0.1) as learner:
        for incarnation in (1, 2, 3):
            run_actor(address, story, incarnation)
            arrived = learner.ingest.take(30.0)
            assert arrived is not None, "the same sequence of another incarnation is no duplicate"
            arrived.release()
