"""The learner as a service: it receives trajectories, gets their scores, learns, and serves the weights."""

from __future__ import annotations

import logging
import time

import zmq

from spiral.computing.devices import choose_device
from spiral.computing.divergence import DivergedError
from spiral.computing.precision import choose_precision
from spiral.computing.threads import compute_with
from spiral.policy.weights import dump_weights
from spiral.runs.checkpoint_reading import CheckpointError
from spiral.runs.checkpoints import raise_generation
from spiral.runs.directory import Run
from spiral.runs.divergence_record import DivergenceRecord
from spiral.runs.limits import Limits
from spiral.services.learner.admission import Admission
from spiral.services.learner.ingest_thread import Ingest
from spiral.services.learner.lag_limit import LagLimit
from spiral.services.learner.metrics import LearnerMetrics
from spiral.services.learner.options import LearnerOptions
from spiral.services.learner.precision_trial import policy_trial
from spiral.services.learner.publisher import LearnerServicer, WeightsPublisher
from spiral.services.learner.scored_batch import ScoredBatch
from spiral.services.learner.scoring import DiscriminatorError, Scorer
from spiral.services.learner.trainer import Trainer
from spiral.serving.describe_engine import StoppedError, describe_engine
from spiral.serving.diverged import end_diverged
from spiral.serving.lag_warning import LagWarning
from spiral.serving.metrics import new_metrics
from spiral.serving.options import StartError, refuse
from spiral.serving.service import FINISH_WITH_CHECKPOINT_S, Serving
from spiral.v1.learner_pb2_grpc import add_LearnerServiceServicer_to_server
from spiral.wire import sockets
from spiral.wire.curve import gatekeeper
from spiral.wire.reconnecting import ReconnectingChannel
from spiral.wire.rpc import connect

TAKE_S = 0.5
"""Longest wait for a batch before the loop checks the clock and signals."""
_log = logging.getLogger(__name__)


def serve(options: LearnerOptions) -> int:
    """Run until a signal or the limit. Returns 0, or 1 if it had to give up."""
    compute_with(options.threads)
    try:
        config = options.run_config()
        device = choose_device(options.device)
        run = Run(options.run_dir)
        run.path.mkdir(parents=True, exist_ok=True)
        divergence = DivergenceRecord(run.checkpoints("learner"), config, options.precision)
        if sentence := divergence.standing():
            raise StartError(sentence)
        generation = raise_generation(run.checkpoints("learner"))
    except (ValueError, OSError, CheckpointError) as error:
        raise StartError(str(error)) from error
    exposed = new_metrics("learner")
    with Serving("learner", options, exposed, finish_s=FINISH_WITH_CHECKPOINT_S) as serving:
        publisher = WeightsPublisher(contract_digest="")
        add_LearnerServiceServicer_to_server(LearnerServicer(publisher), serving.server)
        serving.start()
        try:
            trainer = Trainer(
                config,
                run,
                generation,
                lambda: describe_engine(config.engine, options.renderer, options.identity, serving),
                Limits(options.limit_frames, options.limit_minutes, options.limit_from_s),
                time.monotonic,
                device,
                options.schedule_from,
            )
            choice = choose_precision(
                options.precision,
                device,
                run.precision_file("learner"),
                lambda precision: policy_trial(trainer, precision),
            )
            trainer.learner.precision = choice.precision
        except StoppedError:
            return 0
        except (ValueError, OSError, CheckpointError) as error:
            return refuse("learner", error)
        _log.info("generation %d, %s; %s", generation, trainer.resumed, choice)
        return _run(trainer, options, serving, publisher, LearnerMetrics(exposed, trainer), divergence)


def _run(
    trainer: Trainer,
    options: LearnerOptions,
    serving: Serving,
    publisher: WeightsPublisher,
    metrics: LearnerMetrics,
    divergence: DivergenceRecord,
) -> int:
    """Train to the end and return the exit code."""
    try:
        return _train(trainer, options, serving, publisher, metrics)
    except DivergedError as error:
        return end_diverged(error, divergence, trainer.finish)
    except ValueError as error:
        return refuse("learner", error)
    except (OSError, CheckpointError, DiscriminatorError) as error:
        # From here on the settings are valid, so a restart may help.
        _log.error("giving up: %s", error)
        return 1


def _train(
    trainer: Trainer, options: LearnerOptions, serving: Serving, publisher: WeightsPublisher, metrics: LearnerMetrics
) -> int:
    config, settings = trainer.config, trainer.config.learner
    contract = trainer.contract
    admission = Admission(
        contract,
        trainer.version,
        batch=config.actor.batch,
        learner_batch=settings.batch,
        queue=settings.queue,
        queue_bytes=settings.queue_bytes,
        credits_per_actor=config.actor.groups,
        # Half of the age at which trajectories would be dropped.
        fresh_batches=settings.max_lag // (2 * settings.reuse * settings.minibatches),
    )
    limit = LagLimit(settings.max_lag, metrics.exposed)
    publisher.contract_digest = contract.digest
    serving.info.contract_digest = contract.digest
    with (
        zmq.Context() as context,
        ReconnectingChannel(lambda: connect(options.discriminator, options.identity)) as discriminator,
        gatekeeper(context, options.curve),
        Ingest(sockets.router(context, options.learner_data, options.curve), admission, metrics.exposed) as ingest,
        Scorer(
            ingest,
            discriminator,
            metrics.exposed,
            episodes=settings.batch,
            num_actions=config.num_actions,
            limit=limit,
            version=trainer.version,
        ) as scorer,
    ):
        lag_warning = LagWarning(settings, time.monotonic)
        while not serving.stopping.is_set():
            _announce(trainer, serving, publisher, ingest, scorer)
            finished = trainer.done >= 1
            if finished and options.at_limit == "exit":
                _log.info("the limit is reached: %s frames", f"{trainer.learner.frames:,}")
                break
            batch = _next_batch(scorer, serving, metrics, finished)
            if too_old := lag_warning.seen(limit.dropped, limit.dropped + limit.kept):
                _log.warning("%s", too_old)
            if batch is not None:
                start = time.perf_counter()
                trainer.learn(batch)
                metrics.learnt(time.perf_counter() - start)
            elif scorer.waiting_for == "actor":
                trainer.learner.check()  # unsound weights bring no trajectories that would reveal them
            try:
                metrics.recorded(trainer.write_due(metrics.waits), ingest.actors, ingest.painted_s, ingest.most_actors)
                if trainer.checkpoint_due:
                    trainer.save()
            except (OSError, CheckpointError) as error:
                _log.error("not saved; the run goes on: %s", error)
        ingest.stop()
        metrics.recorded(trainer.finish(), ingest.actors, ingest.painted_s, ingest.most_actors)
    return 0


def _announce(trainer: Trainer, serving: Serving, publisher: WeightsPublisher, ingest: Ingest, scorer: Scorer) -> None:
    """Announce new weights to everybody, if there are any."""
    version = trainer.version
    if version > publisher.version:
        weights = dump_weights(trainer.learner.policy.state_dict())
        ingest.set_version(version)  # first: trajectories painted with newer weights than this are refused
        publisher.publish(version, weights)
        scorer.version = version
        serving.info.version = version


def _next_batch(scorer: Scorer, serving: Serving, metrics: LearnerMetrics, finished: bool) -> ScoredBatch | None:
    """Wait a moment for a batch and account for the wait; at the limit no more batches are taken."""
    serving.tick()
    if finished:
        serving.stopping.wait(TAKE_S)
        return None
    start = time.perf_counter()
    peer = scorer.waiting_for
    with serving.info.waiting(peer):
        batch = scorer.take(TAKE_S)
    metrics.waited(peer, time.perf_counter() - start, batch is not None)
    return batch
