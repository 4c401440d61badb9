"""Which judge a run has: one that learns, or the distance to the target."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from spiral.computing.precision import FP32, Precision
from spiral.configuration.schema import RunConfig
from spiral.datasets import Dataset
from spiral.services.discriminator.distances import distance
from spiral.services.discriminator.judge import Judge, Targets
from spiral.services.discriminator.l2_judge import L2Judge
from spiral.services.discriminator.learned_judge import LearnedJudge
from spiral.services.discriminator.network import build_network


def build_judge(
    config: RunConfig,
    observation_shape: tuple[int, int, int],
    dataset: Dataset,
    *,
    seed: int,
    device: torch.device | None = None,
    generation: int = 1,
    clock: Callable[[], float] = time.perf_counter,
    precision: Precision = FP32,
) -> Judge:
    """The judge of a run; on a CPU (the default device) it is deterministic with its seed.

    Raises ValueError if the data set's pictures do not have ``observation_shape`` (H, W, C), or if one of the user's
    own parts can't be imported.
    """
    if dataset.train.shape[1:] != observation_shape:
        raise ValueError(
            f"data: the pictures of {dataset.name} are {list(dataset.train.shape[1:])}, the engine's observations "
            f"{list(observation_shape)}; load the data in the view's size and channels"
        )
    settings = config.discriminator
    targets = Targets(dataset, seed, config.learner.paintings_per_target)
    for name in settings.terms:
        distance(name)  # a term that can't be imported is reported now, not in the middle of a batch
    if settings.kind == "l2":
        return L2Judge(dataset, targets, generation, settings.terms)
    network = build_network(observation_shape, settings.channels, config.conditional, seed, settings.objective.prepare)
    return LearnedJudge(
        settings,
        network,
        dataset,
        targets,
        conditional=config.conditional,
        device=device or torch.device("cpu"),
        seed=seed,
        generation=generation,
        clock=clock,
        precision=precision,
    )
