"""The discriminator as a service: it loads the data, resumes its judge, and answers until it is asked to stop."""

from __future__ import annotations

import logging
import time

from spiral.computing.devices import choose_device
from spiral.computing.divergence import DivergedError
from spiral.computing.threads import compute_with
from spiral.configuration.changes import going_on
from spiral.configuration.schema import RunConfig
from spiral.datasets import Dataset, load
from spiral.engines import EngineMissingError, create
from spiral.runs import dataset_record
from spiral.runs.checkpoint_reading import CheckpointError
from spiral.runs.checkpoints import Checkpoint, CheckpointStore, raise_generation
from spiral.runs.directory import Run
from spiral.runs.divergence_record import DivergenceRecord
from spiral.services.discriminator.build import build_judge
from spiral.services.discriminator.initial_weights import load_initial_weights
from spiral.services.discriminator.judge import Judge, Update
from spiral.services.discriminator.metrics import DiscriminatorMetrics
from spiral.services.discriminator.options import DiscriminatorOptions
from spiral.services.discriminator.precision_trial import choose_judge_precision
from spiral.services.discriminator.servicer import Discriminator
from spiral.services.discriminator.worker import Worker
from spiral.serving.diverged import end_diverged
from spiral.serving.metrics import new_metrics
from spiral.serving.options import StartError
from spiral.serving.service import FINISH_WITH_CHECKPOINT_S, Serving
from spiral.v1.discriminator_pb2_grpc import add_DiscriminatorServiceServicer_to_server

log = logging.getLogger(__name__)


def serve(options: DiscriminatorOptions) -> int:
    """Serve until asked to stop. Returns 1 if the judge failed or could not write its last checkpoint."""
    compute_with(options.threads)
    try:
        config = options.run_config()
        directory = Run(options.run_dir).checkpoints("discriminator")
        divergence = DivergenceRecord(directory, config, options.precision)
        if sentence := divergence.standing():
            raise StartError(sentence)
        generation = raise_generation(directory)
        exposed = new_metrics("discriminator")
        with Serving(
            "discriminator",
            options,
            exposed,
            capabilities=("sample-targets",),
            finish_s=FINISH_WITH_CHECKPOINT_S,
        ) as serving:
            observation_shape = _observation_shape(options, config)
            store = CheckpointStore(directory, config.learner.keep)
            found = store.latest()
            if found is not None:
                config = going_on(found.config, config)
            dataset = _load(config, observation_shape)
            judge = _build(options, config, observation_shape, generation, dataset)
            log.info("generation %d, %s", generation, _resume(judge, found, Run(options.run_dir), config, dataset))
            metrics = DiscriminatorMetrics(exposed, judge, config.learner.checkpoint_s)
            worker = _start_worker(options, config, judge, store, metrics, serving)
            serving.on_end(worker.close)
            servicer = Discriminator(
                worker,
                metrics,
                observation_shape,
                config.conditional,
                max_batch_bytes=options.max_batch_bytes,
                idle_s=options.idle_s,
                draining=serving.stopping.is_set,
            )
            add_DiscriminatorServiceServicer_to_server(servicer, serving.server)
            serving.start()
            serving.wait()
    except (ValueError, OSError, CheckpointError) as error:
        raise StartError(str(error)) from error
    if isinstance(worker.failure, DivergedError):
        return end_diverged(worker.failure, divergence)
    return 1 if worker.failure else 0


def _observation_shape(options: DiscriminatorOptions, config: RunConfig) -> tuple[int, int, int]:
    """(H, W, C) of the pictures, from the option or from the engine; StartError if neither gives it."""
    if options.observation_shape:
        height, width, channels = map(int, options.observation_shape.split("x"))
        return height, width, channels
    try:
        return create(config.engine.name, config.engine.settings).observation_shape
    except (EngineMissingError, ValueError) as error:  # not installed here, or an engine of a foreign renderer
        raise StartError(
            f"{error}; or give the size of the pictures, which is all that it needs: --observation-shape 32x32x1"
        ) from error


def _load(config: RunConfig, observation_shape: tuple[int, int, int]) -> Dataset:
    height, width, channels = observation_shape
    if channels not in {1, 3}:
        raise StartError(f"observation_shape: {channels} channels; expected 1 (gray) or 3 (color)")
    dataset = load(config.data, (height, width), colour=channels == 3, hold_out_validation=config.hold_out_validation)
    for note in dataset.notes:
        log.warning("%s: %s", dataset.name, note)
    return dataset


def _build(
    options: DiscriminatorOptions,
    config: RunConfig,
    observation_shape: tuple[int, int, int],
    generation: int,
    dataset: Dataset,
) -> Judge:
    device = choose_device(options.device)
    choice = choose_judge_precision(options.precision, device, Run(options.run_dir), config, dataset)
    log.info("%s: %s; %s", dataset.name, dataset.sizes, choice)
    return build_judge(
        config,
        observation_shape,
        dataset,
        seed=config.seed,
        device=device,
        generation=generation,
        precision=choice.precision,
    )


def _resume(judge: Judge, found: Checkpoint | None, run: Run, config: RunConfig, dataset: Dataset) -> str:
    """Continue from the newest checkpoint, if any, and return in words what was found."""
    if changed := dataset_record.store(run, config.data, dataset, learnt=found is not None):
        log.warning("%s", changed)
    if found is None:
        begun = load_initial_weights(judge, run)
        return "a new run with a model's discriminator" if begun else "a new run: no checkpoint yet"
    judge.restore(found.state)
    skipped = "".join(f"; skipped: {sentence}" for sentence in found.skipped)
    return f"resumed from {found.path} at {judge.version.number} updates{skipped}"


def _start_worker(
    options: DiscriminatorOptions,
    config: RunConfig,
    judge: Judge,
    store: CheckpointStore,
    metrics: DiscriminatorMetrics,
    serving: Serving,
) -> Worker:
    def progressed(updates: tuple[Update, ...]) -> None:
        metrics.updated(updates)
        serving.info.version = judge.version

    def checkpoint() -> None:
        judge.check()
        store.save(judge.state(), config.to_yaml())
        metrics.saved()

    progressed(())
    worker = Worker(
        judge,
        checkpoint,
        interval_s=config.learner.checkpoint_s,
        queue_size=options.queue,
        clock=time.monotonic,
        progressed=progressed,
        failed=lambda: serving.stop("the judge has failed"),
    )
    worker.start()
    return worker
