"""Broken discriminators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spiral.services.discriminator import judge, servicer
from spiral.services.discriminator.learned_judge import LearnedJudge
from spiral.services.discriminator.metrics import DiscriminatorMetrics
from spiral.v1.version_pb2 import Version
from tests.conformance.mutants.mutant import Mutant

Patch = pytest.MonkeyPatch


def remembers_all(patch: Patch) -> None:
    real = LearnedJudge.score

    def score(self: Any, batch_id: str, observations: Any, targets: Any, remember: bool, *rest: Any) -> Any:
        return real(self, batch_id, observations, targets, True, *rest)

    patch.setattr(LearnedJudge, "score", score)


def repeats_are_news(patch: Patch) -> None:
    patch.setattr(judge.Answers, "find", lambda self, batch_id, shape: None)


def two_minds(patch: Patch) -> None:
    real = LearnedJudge._judge

    def judged(self: Any, observations: Any, targets: Any) -> Any:
        scores = real(self, observations, targets)
        scores[:, scores.shape[1] // 2 :] += 0.05
        return scores

    patch.setattr(LearnedJudge, "_judge", judged)


def counts_down(patch: Patch) -> None:
    patch.setattr(
        servicer,
        "version_to_proto",
        lambda version: Version(generation=version.generation, number=1_000_000 - version.number),
    )


def one_split(patch: Patch) -> None:
    real = judge.Targets.sample
    patch.setattr(judge.Targets, "sample", lambda self, count, test: real(self, count, False))


def same_targets(patch: Patch) -> None:
    real = judge.Targets.sample

    def sample(self: Any, count: int, test: bool) -> Any:
        real(self, count, test)
        pictures = self._dataset.test if test else self._dataset.train
        return pictures[np.arange(count) % len(pictures)]

    patch.setattr(judge.Targets, "sample", sample)


def counts_all(patch: Patch) -> None:
    real = DiscriminatorMetrics.scored

    def scored(self: Any, scores: Any, seconds: float, remembered: int) -> None:
        real(self, scores, seconds, remembered or next(iter(scores.terms.values())).shape[1])

    patch.setattr(DiscriminatorMetrics, "scored", scored)


def short_is_fine(patch: Patch) -> None:
    def fill(arrays: Any, requests: Any) -> None:
        rooms = [array.reshape(-1) for array in arrays]
        data = b"".join(request.chunk for request in requests)
        for room in rooms:
            part, data = data[: len(room)], data[len(room) :]
            room[: len(part)] = np.frombuffer(part, np.uint8)

    patch.setattr(servicer, "_fill", fill)


def large_chunks(patch: Patch) -> None:
    patch.setattr(servicer, "MAX_CHUNK_BYTES", 1 << 30)


def all_end(patch: Patch) -> None:
    """Checks endings and heeds none."""
    real = servicer._ends

    def ends(header: Any, batch: int) -> None:
        real(header, batch)

    patch.setattr(servicer, "_ends", ends)


def any_endings(patch: Patch) -> None:
    def ends(header: Any, batch: int) -> Any:
        if not header.HasField("endings"):
            return None
        return np.isin(np.arange(batch), list(header.endings.episodes))

    patch.setattr(servicer, "_ends", ends)


MUTANTS = (
    Mutant(
        "discriminator",
        "remembers what it was not to remember",
        (
            "a_batch_that_is_not_remembered_earns_no_update",
            "the_same_pictures_have_the_same_scores",
            "a_crowd_is_answered_or_told_when_to_come_again",
            "unknown_fields_of_a_batch_are_ignored",
        ),
        remembers_all,
        quick=False,
    ),
    Mutant(
        "discriminator",
        "takes a repeated batch for a new one",
        (
            "a_repeated_batch_has_the_same_answer",
            "a_batch_sent_twice_at_once_counts_once",
            "remembered_pictures_are_counted_once",
        ),
        repeats_are_news,
    ),
    Mutant("discriminator", "scores half a batch by other weights", ("a_batch_is_scored_by_one_version",), two_minds),
    Mutant("discriminator", "counts its versions down", ("versions_never_go_back",), counts_down),
    Mutant("discriminator", "draws both splits from one", ("targets_come_from_the_declared_split",), one_split),
    Mutant("discriminator", "hands out the same targets each time", ("targets_vary",), same_targets),
    Mutant(
        "discriminator",
        "counts what it does not remember",
        ("remembered_pictures_are_counted_once", "episodes_that_go_on_are_not_remembered"),
        counts_all,
    ),
    Mutant(
        "discriminator",
        "takes too few and too many bytes",
        (
            "bytes_that_do_not_fit_are_refused",
            "a_refused_batch_is_not_remembered",
            "a_batch_begins_with_a_header",
            "a_chunk_has_at_most_1_mib",
        ),
        short_is_fine,
    ),
    Mutant(
        "discriminator",
        "remembers pictures that are not finished",
        ("episodes_that_go_on_are_not_remembered",),
        all_end,
    ),
    Mutant("discriminator", "takes endings that are none", ("endings_are_rising_positions",), any_endings),
    Mutant("discriminator", "takes chunks of any size", ("a_chunk_has_at_most_1_mib",), large_chunks),
)
