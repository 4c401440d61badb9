"""The actor as a program: it puts its parts together and runs them until it is asked to end.

It is one asyncio program with one coroutine per group of canvases. While one group waits for its frames, another
infers; double buffering needs no more than that.
"""

from __future__ import annotations

import asyncio
import random
import socket

import numpy as np
import torch
import zmq.asyncio

from spiral.configuration.schema import RunConfig
from spiral.engines.description import EngineDescription
from spiral.policy import build_policy
from spiral.policy.rollouts import Painter
from spiral.services.actor.back_off import BackOff
from spiral.services.actor.learner_connection import EVENTS
from spiral.services.actor.learner_session import LearnerSession, Outcome
from spiral.services.actor.options import ActorOptions
from spiral.services.actor.painting import PaintGroup, Peers
from spiral.services.actor.renderer_streams import Renderers
from spiral.services.actor.targets import Targets
from spiral.services.actor.trajectory_sender import TrajectorySender
from spiral.services.actor.waiting import Waits
from spiral.services.actor.weights import CurrentPolicy, WeightsClient
from spiral.serving.describe_engine import StoppedError, describe_engine
from spiral.serving.metrics import Metrics
from spiral.serving.service import Serving
from spiral.values.trajectories import TrajectoryContract, even_unroll
from spiral.wire import rpc, sockets
from spiral.wire.reconnecting import ReconnectingAsyncChannel

BEAT_S = 1.0
"""Interval at which the loop reports that it is alive and accounts for waits in progress."""


async def act(
    options: ActorOptions,
    config: RunConfig,
    engine: EngineDescription,
    incarnation: int,
    metrics: Metrics,
    serving: Serving,
) -> None:
    """Paint until cancelled, with the renderer's ``engine``.

    Raises ValueError, with a sentence, if renderer, learner and configuration don't fit together.
    """
    waits = Waits(
        lambda peer, seconds: metrics["spiral_actor_wait_seconds_total"].labels(peer=peer).inc(seconds),
        serving.info.waiting,
    )
    try:
        with zmq.asyncio.Context() as context:
            async with (
                _channel(options, options.renderer) as to_renderer,
                _channel(options, options.learner) as to_learner,
                _channel(options, options.discriminator) as to_discriminator,
                asyncio.TaskGroup() as tasks,
            ):
                tasks.create_task(_beat(serving, waits))
                actor = _Actor(options, config, engine, incarnation, metrics, serving, waits)
                await actor.start(tasks, context, to_renderer, to_learner, to_discriminator)
    except BaseExceptionGroup as group:
        # An error that one task can't handle ends all of them; that error is the one to report.
        raise group.exceptions[0] from group


def _channel(options: ActorOptions, address: str) -> ReconnectingAsyncChannel:
    return ReconnectingAsyncChannel(lambda: rpc.connect_async(address, options.identity))


async def _beat(serving: Serving, waits: Waits) -> None:
    while True:
        serving.tick()
        waits.report()
        await asyncio.sleep(BEAT_S)


class _Actor:
    """Puts the parts together."""

    def __init__(
        self,
        options: ActorOptions,
        config: RunConfig,
        engine: EngineDescription,
        incarnation: int,
        metrics: Metrics,
        serving: Serving,
        waits: Waits,
    ) -> None:
        self._options = options
        self._config = config
        self._engine = engine
        self._incarnation = incarnation
        self._metrics = metrics
        self._serving = serving
        self._waits = waits
        self._rng = random.Random(incarnation)

    async def start(
        self,
        tasks: asyncio.TaskGroup,
        context: zmq.asyncio.Context,
        to_renderer: ReconnectingAsyncChannel,
        to_learner: ReconnectingAsyncChannel,
        to_discriminator: ReconnectingAsyncChannel,
    ) -> None:
        """Check that the peers agree, then start everything that runs forever in ``tasks``."""
        options, config, waits, rng = self._options, self._config, self._waits, self._rng
        renderers = Renderers(
            to_renderer,
            config.engine,
            waits,
            rng,
            stream_life_s=options.stream_life_s,
            watchdog_s=options.watchdog_s,
        )
        engine = self._engine
        shape, batch = engine.observation_shape, config.actor.batch
        policy = build_policy(config.policy, engine.spec, shape, config.num_actions, config.conditional).eval()
        contract = TrajectoryContract(
            engine.spec,
            shape,
            config.num_actions,
            config.conditional,
            config.policy.noise,
            even_unroll(config.num_actions, config.unroll),
            policy.state_size,
        )
        self._serving.info.contract_digest = contract.digest
        client = WeightsClient(to_learner, contract.digest, options.deadline_s)
        current = CurrentPolicy(policy, client, waits, rng, arrived=self._weights_arrived)
        sender = TrajectorySender(
            lambda: sockets.dealer(context, options.learner_data, options.curve, EVENTS),
            LearnerSession(options.actor_id or socket.gethostname()[:64], self._incarnation, contract.digest),
            waits,
            self._settled,
        )
        self._metrics["spiral_actor_batch"].set(batch)
        self._metrics["spiral_actor_credits"].set_function(lambda: sender.credits)
        self._metrics["spiral_actor_weights_age_seconds"].set_function(lambda: current.age_s)
        tasks.create_task(sender.run())
        await current.first()
        tasks.create_task(current.keep_fresh(lambda: sender.version))

        targets = Targets(to_discriminator, shape, waits, rng, options.deadline_s) if config.conditional else None
        peers = Peers(renderers, sender, current, targets, waits)
        for index in range(config.actor.groups):
            painter = Painter(current.policy, batch, self._generator(index), contract.unroll)
            group = PaintGroup(painter, batch, contract, peers, BackOff(rng), self._metrics)
            tasks.create_task(group.run())

    def _generator(self, group: int) -> torch.Generator:
        """A generator for each group, so that no two groups of any actor, nor a restarted actor, paint the same."""
        entropy = np.random.SeedSequence([self._config.seed, self._incarnation, group])
        return torch.Generator().manual_seed(int(entropy.generate_state(1, np.uint64)[0] >> np.uint64(1)))

    def _settled(self, outcome: Outcome) -> None:
        lost = self._metrics["spiral_actor_episodes_lost_total"]
        if outcome == "dropped":
            lost.labels(reason="generation").inc(self._config.actor.batch)
            return
        self._metrics["spiral_actor_trajectories_total"].labels(verdict=outcome).inc()
        if outcome == "refused":
            lost.labels(reason="refused").inc(self._config.actor.batch)

    def _weights_arrived(self, current: CurrentPolicy) -> None:
        self._serving.info.version = current.version
        self._metrics["spiral_actor_weights_generation"].set(current.version.generation)
        self._metrics["spiral_actor_weights_version"].set(current.version.number)


def run_until_stopped(
    options: ActorOptions, config: RunConfig, incarnation: int, metrics: Metrics, serving: Serving
) -> None:
    """Paint until the service should end; errors as for :func:`act`."""
    waited = metrics["spiral_actor_wait_seconds_total"].labels(peer="renderer").inc
    try:
        engine = describe_engine(config.engine, options.renderer, options.identity, serving, waited)
    except StoppedError:
        return

    async def main() -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None

        def stop() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(task.cancel)

        serving.on_stop(stop)
        if serving.stopping.is_set():
            return
        try:
            await act(options, config, engine, incarnation, metrics, serving)
        except asyncio.CancelledError:
            if not serving.stopping.is_set():
                raise

    asyncio.run(main())
