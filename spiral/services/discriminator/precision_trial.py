"""The update that is timed to choose the discriminator's precision."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from spiral.computing.precision import FP32, Precision, PrecisionChoice, PrecisionOption, Step, choose_precision
from spiral.configuration.schema import RunConfig
from spiral.datasets import Dataset
from spiral.runs.directory import Run
from spiral.services.discriminator.build import build_judge

PICTURES_ON_CPU = 8
"""On a CPU this many pictures are enough to tell which precision is faster. Only whole batches keep a GPU busy."""


def choose_judge_precision(
    wanted: PrecisionOption, device: torch.device, run: Run, config: RunConfig, dataset: Dataset
) -> PrecisionChoice:
    """The precision in which this run's judge learns; ValueError if the device does not support what is asked for."""
    if config.discriminator.kind != "learned":
        return PrecisionChoice(FP32, "it learns nothing")
    file = run.precision_file("discriminator")
    return choose_precision(wanted, device, file, lambda precision: judge_trial(config, dataset, device, precision))


def judge_trial(config: RunConfig, dataset: Dataset, device: torch.device, precision: Precision) -> Step:
    """One update of a new judge on a blank painting; only that painting is scored."""
    batch = config.discriminator.batch if device.type != "cpu" else min(config.discriminator.batch, PICTURES_ON_CPU)
    changes = {"updates_per_batch": 1, "update_first": True, "terms": (), "batch": batch}
    once = config.discriminator.model_copy(update=changes)
    judge = build_judge(
        config.model_copy(update={"discriminator": once}),
        dataset.train.shape[1:],
        dataset,
        seed=0,
        device=device,
        precision=precision,
    )
    blank = np.full((1, 1, *dataset.train.shape[1:]), 255, np.uint8)  # an update draws it as often as needed
    targets = blank[0] if config.conditional else None
    ids = itertools.count()
    return lambda: judge.score(str(next(ids)), blank, targets, remember=True)
