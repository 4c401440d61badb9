"""One group of canvases: it paints episode after episode and sends each as one trajectory or as several unrolls."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from spiral.policy.rollouts import Painter
from spiral.services.actor.back_off import BackOff
from spiral.services.actor.renderer_streams import Renderers, Stream, StreamLostError
from spiral.services.actor.targets import Targets
from spiral.services.actor.trajectory_sender import TrajectorySender
from spiral.services.actor.waiting import Waits
from spiral.services.actor.weights import CurrentPolicy
from spiral.serving.metrics import Metrics
from spiral.values.strokes import painted
from spiral.values.trajectories import Trajectory, TrajectoryContract
from spiral.values.versions import Version

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Finished:
    """A group of finished episodes, or an unroll of each."""

    trajectory: Trajectory
    oldest_version: Version
    newest_version: Version
    duration_s: float


@dataclass(frozen=True, slots=True)
class Peers:
    """What the groups of an actor share."""

    renderers: Renderers
    sender: TrajectorySender
    current: CurrentPolicy
    targets: Targets | None
    """None in an unconditional run."""
    waits: Waits


class PaintGroup:
    """``B`` canvases that are painted in lockstep."""

    def __init__(
        self,
        painter: Painter,
        batch: int,
        contract: TrajectoryContract,
        peers: Peers,
        back_off: BackOff,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._painter = painter
        self._batch = batch
        self._contract = contract
        self._peers = peers
        self._back_off = back_off
        self._metrics = metrics
        self._clock = clock
        self._under_way = 0
        """Episodes begun and not yet completely sent."""

    async def run(self) -> None:
        """Paint forever. A lost stream costs only the episodes on it."""
        stream: Stream | None = None
        try:
            while True:
                retirement = self._retire_when_old(stream)
                # The place in the queue comes first, so no finished painting waits and ages.
                async with self._peers.sender.credit():
                    await self._peers.current.of_generation(lambda: self._peers.sender.version)
                    retirement.cancel()
                    stream = await self._paint_and_send(stream)
        except asyncio.CancelledError:
            self._lose("stopping")
            raise
        finally:
            if stream is not None:
                stream.close()

    def _retire_when_old(self, stream: Stream | None) -> asyncio.TimerHandle:
        """Close an old stream while its canvases only wait for a credit: a renderer that should end waits for its
        streams, and a credit may take long."""
        life_s = stream.ends_at - self._clock() if stream is not None else 0.0
        return asyncio.get_running_loop().call_later(max(life_s, 0.0), self._retire, stream)

    def _retire(self, stream: Stream | None) -> None:
        """Close a stream, but not in the middle of an episode, whose canvases live on the stream."""
        if stream is not None and not stream.closed and not self._under_way:
            _log.debug("retired a stream")
            stream.close()

    async def _paint_and_send(self, stream: Stream | None) -> Stream | None:
        """Paint one trajectory, on ``stream`` if it is still usable; return the next one's stream, None if lost."""
        if stream is not None and self._clock() >= stream.ends_at:
            self._retire(stream)
        if stream is None or stream.closed:
            stream = await self._peers.renderers.open(self._batch, self._contract.observation_shape)
        try:
            finished = await self._paint(stream)
        except StreamLostError as error:
            stream.close()
            _log.warning("lost a stream and the %d episodes on it: %s", self._under_way, error)
            self._lose("renderer")
            await asyncio.sleep(self._back_off.next_s())
            return None
        self._back_off.reset()
        await self._peers.sender.send(
            finished.trajectory, finished.oldest_version, finished.newest_version, finished.duration_s
        )
        if self._painter.done:
            self._under_way = 0
        return stream

    async def _paint(self, stream: Stream) -> Finished:
        painter, current, waits = self._painter, self._peers.current, self._peers.waits
        current.want_newer()
        started = self._clock()
        if not self._under_way:
            targets = None if self._peers.targets is None else await self._peers.targets.draw(self._batch)
            with waits("renderer", "blank canvases"):
                painter.begin(await stream.reset(), targets)
            self._under_way = self._batch
        oldest = newest = current.version
        while not painter.full:
            painter.policy = current.policy
            oldest, newest = min(oldest, current.version), max(newest, current.version)
            with self._metrics["spiral_actor_inference_seconds"].time():
                actions = painter.act()
            with waits("renderer", "frames"):
                painter.observe(await stream.step(actions))
            self._metrics["spiral_actor_frames_total"].inc(self._batch)
        trajectory = painter.trajectory()
        if painter.done:
            paints = painted(trajectory.program(self._contract.num_actions), self._contract.spec)
            self._metrics["spiral_actor_paint_fraction"].set(float(np.mean(paints)))
        return Finished(trajectory, oldest, newest, self._clock() - started)

    def _lose(self, reason: str) -> None:
        self._metrics["spiral_actor_episodes_lost_total"].labels(reason=reason).inc(self._under_way)
        self._under_way = 0
