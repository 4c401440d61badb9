"""Hindsight: every episode is a perfect example of how to paint its own final picture.

The loss gets another term: the likelihood of an episode's actions if the target had been the picture that they made.
An unroll counts in the same way, from where it begins. Not part of the paper; after Andrychowicz et al. 2017,
hindsight experience replay.

The weight is ``learner.hindsight``; 0 is the paper's method. Without hindsight digits are learned more slowly, and
characters hardly at all (docs/notebook/targets.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from spiral.policy import EvaluatedActions, Inputs, State
from spiral.services.learner.batch import Batch

EvaluateActions = Callable[[Inputs, Tensor, State], EvaluatedActions]


def evaluate_with_hindsight(evaluate: EvaluateActions, batch: Batch) -> tuple[EvaluatedActions, Tensor | None]:
    """The evaluated actions, and their log-probabilities ``[T, B]`` with the final pictures as targets, or None in a
    run without hindsight. One pass computes both, in a fifth less time than two passes."""
    if batch.finals is None:
        return evaluate(batch.inputs, batch.actions, batch.state), None
    assert batch.inputs.target is not None
    twice = torch.arange(batch.actions.shape[1], device=batch.actions.device).repeat(2)
    inputs = replace(batch.inputs.take(twice), target=torch.cat([batch.inputs.target, batch.finals]))
    both = evaluate(inputs, batch.actions[:, twice], tuple(part[twice] for part in batch.state))
    log_prob, imagined = both.log_prob.chunk(2, 1)
    return EvaluatedActions(log_prob, both.entropy.chunk(2, 1)[0], both.value.chunk(2, 1)[0]), imagined


def hindsight_loss(imagined: Tensor, batch: Batch) -> Tensor:
    """−log π(a | own picture), the mean over ``[T, B]``; padding of an unroll counts as 0."""
    return -(imagined if batch.valid is None else imagined * batch.valid).mean()
