"""Our services in this process, as targets of the suite that need no start of an interpreter."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from spiral.configuration.files import load_config
from spiral.conformance.actor.subject import ActorTarget
from spiral.conformance.discriminator.subject import DiscriminatorTarget
from spiral.conformance.renderer.subject import RendererTarget
from spiral.conformance.scenes import set_up
from spiral.conformance.suite_options import SuiteOptions
from spiral.conformance.target import Target
from spiral.datasets import Dataset
from spiral.runs.checkpoints import raise_generation
from spiral.runs.directory import Run
from spiral.runs.limits import Limits
from spiral.services.actor import service as actor_service
from spiral.services.actor.options import ActorOptions
from spiral.services.discriminator import servicer as discriminating
from spiral.services.discriminator.build import build_judge
from spiral.services.discriminator.metrics import DiscriminatorMetrics
from spiral.services.discriminator.worker import Worker
from spiral.services.learner import service as learning_service
from spiral.services.learner.options import LearnerOptions
from spiral.services.renderer import servicer as rendering
from spiral.services.renderer.__main__ import find_engines
from spiral.services.renderer.options import RendererOptions
from spiral.services.renderer.overruns import Overruns
from spiral.services.renderer.stream_limit import Streams
from spiral.serving.metrics import new_metrics
from spiral.serving.options import ServiceOptions
from spiral.serving.service import Serving
from spiral.v1.discriminator_pb2_grpc import add_DiscriminatorServiceServicer_to_server
from spiral.v1.learner_pb2_grpc import add_LearnerServiceServicer_to_server
from spiral.v1.renderer_pb2_grpc import add_RendererServiceServicer_to_server
from spiral.wire.edges import Service

MAX_STREAMS = 3
ENGINE_SETTINGS = '{"grid": 8, "view": 32}'
SHAPE = (16, 16, 1)
JUDGE = (
    "discriminator.channels=[4,8]",
    "discriminator.batch=4",
    "discriminator.updates_per_batch=2",
    "discriminator.replay=3",
)
RUN = (
    "actor.batch=4",
    "learner.batch=4",
    "policy.width=16",
    "num_actions=4",
    "learner.reuse=1",
    "learner.minibatches=2",
    "learner.max_lag=16",
    "learner.queue=8",
)
"""Settings of learner and actor: small, and with a few batches to learn from before weights are too old."""
CUT = ("num_actions=5", "unroll=2", "policy.network=paper", "policy.noise=3", "conditional=true")
"""On top of it: episodes in unrolls of 2, 2 and 1 actions, with targets, painted by a policy with a memory."""


def curve_of(certificates: Path | None, service: Literal["learner", "actor"]) -> dict[str, Any]:
    """The options of CURVE of one end of the trajectories; none without certificates."""
    if certificates is None:
        return {}
    own, peer = certificates / service, "actor" if service == "learner" else "learner"
    return {"curve_key": own / "curve.key_secret", "curve_peers": own / f"{peer}.key"}


@contextmanager
def hosted_renderer(folder: Path, settings: tuple[str, ...] = ()) -> Iterator[Target]:
    """A renderer with three places; ``settings`` are nothing to it."""
    options = RendererOptions(listen=f"unix:{folder}/r", max_streams=MAX_STREAMS, log_level="error", grace_s=0)
    metrics = new_metrics("renderer")
    rest: dict[str, Any] = {"capabilities": ("render",), "max_streams": MAX_STREAMS, "workers": MAX_STREAMS + 8}
    with Serving("renderer", options, metrics, **rest) as serving:
        serving.info.engines, _ = find_engines()
        made = rendering.Renderer(
            Streams(MAX_STREAMS), 1, metrics, 60.0, Overruns(60.0, print), draining=serving.stopping.is_set
        )
        add_RendererServiceServicer_to_server(made, serving.server)
        serving.start()
        target = RendererTarget("renderer", serving.server.address, settings_json=ENGINE_SETTINGS)
        yield target
        target.close()


@contextmanager
def hosted_discriminator(folder: Path, settings: tuple[str, ...] = ()) -> Iterator[Target]:
    """A discriminator that learns, on pictures of noise."""
    drawn = np.random.default_rng(0).integers(128, 256, (200, *SHAPE), dtype=np.uint8)
    data = Dataset("light", drawn[:150], drawn[150:], None, None, "made here", "none needed", "")
    judge = build_judge(load_config("demo", (*JUDGE, *settings)), SHAPE, data, seed=0, generation=1)
    options = ServiceOptions(listen=f"unix:{folder}/d", log_level="error", grace_s=0)
    metrics = new_metrics("discriminator")
    with Serving("discriminator", options, metrics, capabilities=("sample-targets",)) as serving:
        meter = DiscriminatorMetrics(metrics, judge, 60)

        def progressed(updates: Any) -> None:
            meter.updated(updates)
            serving.info.version = judge.version

        progressed(())
        worker = Worker(judge, lambda: None, interval_s=60, queue_size=8, clock=time.monotonic, progressed=progressed)
        worker.start()
        serving.on_end(worker.close)
        made = discriminating.Discriminator(
            worker,
            meter,
            SHAPE,
            False,
            max_batch_bytes=64 << 20,
            idle_s=60.0,
            draining=serving.stopping.is_set,
        )
        add_DiscriminatorServiceServicer_to_server(made, serving.server)
        serving.start()
        target = DiscriminatorTarget("discriminator", serving.server.address)
        yield target
        target.close()


@contextmanager
def running(target: Target, serving: Serving, loop: Callable[..., None], arguments: tuple[Any, ...]) -> Iterator[None]:
    """A service whose loop has a thread of its own here, until the block ends."""
    thread = threading.Thread(target=loop, args=arguments, name=target.service)
    thread.start()
    try:
        target.start()
        yield
    finally:
        target.close()
        serving.stop()
        thread.join()


@contextmanager
def hosted_learner(folder: Path, settings: tuple[str, ...] = (), certificates: Path | None = None) -> Iterator[Target]:
    """A learner between the suite's renderer, discriminator and actors; with CURVE where there are certificates."""
    chosen, data = (*RUN, *settings), f"unix:{folder}/data"
    curve = curve_of(certificates, "actor")
    wanted = SuiteOptions("learner", f"unix:{folder}/l", learner_data=data, set=chosen, **curve)
    with set_up(wanted, wanted.target, folder) as scene:
        told = scene.environment
        options = LearnerOptions(
            listen=wanted.target,
            learner_data=wanted.learner_data,
            renderer=told["SPIRAL_RENDERER"],
            discriminator=told["SPIRAL_DISCRIMINATOR"],
            run_dir=Path(told["SPIRAL_RUN_DIR"]),
            set=chosen,
            log_level="error",
            grace_s=0,
            **curve_of(certificates, "learner"),
        )
        config, run, exposed = options.run_config(), Run(options.run_dir), new_metrics("learner")
        run.path.mkdir(parents=True)
        generation = raise_generation(run.checkpoints("learner"))
        with Serving("learner", options, exposed) as serving:
            publisher = learning_service.WeightsPublisher(contract_digest="")
            servicer = learning_service.LearnerServicer(publisher)
            add_LearnerServiceServicer_to_server(servicer, serving.server)
            serving.start()
            trainer = learning_service.Trainer(
                config,
                run,
                generation,
                lambda: learning_service.describe_engine(config.engine, options.renderer, None, serving),
                Limits(),
                time.monotonic,
            )
            metrics = learning_service.LearnerMetrics(exposed, trainer)
            arguments = (trainer, options, serving, publisher, metrics)
            with running(scene.target, serving, learning_service._train, arguments):
                yield scene.target


@contextmanager
def hosted_actor(folder: Path, settings: tuple[str, ...] = (), certificates: Path | None = None) -> Iterator[Target]:
    """An actor between the suite's renderer, discriminator and learner; with CURVE where there are certificates."""
    chosen = (*RUN, *settings)
    wanted = SuiteOptions("actor", f"unix:{folder}/a", set=chosen, **curve_of(certificates, "learner"))
    with set_up(wanted, wanted.target, folder) as scene:
        assert isinstance(scene.target, ActorTarget)
        told = scene.environment
        options = ActorOptions(
            listen=wanted.target,
            learner=told["SPIRAL_LEARNER"],
            learner_data=told["SPIRAL_LEARNER_DATA"],
            renderer=told["SPIRAL_RENDERER"],
            discriminator=told["SPIRAL_DISCRIMINATOR"],
            set=chosen,
            actor_id="hosted",
            log_level="error",
            grace_s=0,
            stream_life_s=0.5,
            **curve_of(certificates, "actor"),
        )
        metrics = new_metrics("actor")
        with Serving("actor", options, metrics) as serving:
            serving.start()
            arguments = (options, options.run_config(), 7, metrics, serving)
            with running(scene.target, serving, actor_service.run_until_stopped, arguments):
                yield scene.target


HOSTS: dict[Service, Callable[[Path, tuple[str, ...]], AbstractContextManager[Target]]] = {
    "renderer": hosted_renderer,
    "discriminator": hosted_discriminator,
    "learner": hosted_learner,
    "actor": hosted_actor,
}
