"""Broken learners."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from spiral.services.learner import admission, publisher, scoring
from spiral.services.learner.admission import Admission
from spiral.services.learner.credits import Credits, Sender
from spiral.services.learner.duplicates import AcceptedSequences
from spiral.services.learner.lag_limit import LagLimit
from spiral.services.learner.publisher import WeightsPublisher
from spiral.v1.discriminator_pb2 import ScoreRequest
from spiral.v1.learner_pb2 import GetWeightsResponse
from spiral.v1.trajectory_pb2 import TrajectoryHeader
from spiral.values.trajectories import last_start
from spiral.values.versions import Version
from tests.conformance.hosted import CUT
from tests.conformance.mutants.mutant import Mutant

Patch = pytest.MonkeyPatch


def duplicates_are_news(patch: Patch) -> None:
    patch.setattr(AcceptedSequences, "__contains__", lambda self, key: False)


def no_window(patch: Patch) -> None:
    real = AcceptedSequences.__contains__

    def contains(self: Any, key: Any) -> bool:
        sender, sequence = key
        highest, _ = self._seen.get(sender, (0, 0))
        return real(self, key) and highest - sequence < self._window

    patch.setattr(AcceptedSequences, "__contains__", contains)


def free_credits(patch: Patch) -> None:
    real = Credits.of

    def of(self: Any, peer: bytes, sender: Sender) -> int | None:
        if (known := self._actors.get(peer)) is not None:
            known.credits = max(1, known.credits)
        return real(self, peer, sender)

    patch.setattr(Credits, "of", of)


def any_generation(patch: Patch) -> None:
    real = admission.check_header

    def check(header: TrajectoryHeader, contract: Any, own: Version) -> None:
        same = TrajectoryHeader()
        same.CopyFrom(header)
        same.oldest_version.generation = same.newest_version.generation = own.generation
        same.newest_version.number = max(same.newest_version.number, same.oldest_version.number)
        if header.newest_version.generation == header.oldest_version.generation:
            same.newest_version.number = header.newest_version.number
        real(same, contract, own)

    patch.setattr(admission, "check_header", check)


def any_number(patch: Patch) -> None:
    real = admission.check_header
    patch.setattr(
        admission, "check_header", lambda header, contract, own: real(header, contract, own._replace(number=1 << 60))
    )


def always_sends(patch: Patch) -> None:
    patch.setattr(publisher, "version_from_proto", lambda message: Version())


def weights_for_all(patch: Patch) -> None:
    unchecked = property(lambda self: "", lambda self, value: None)
    patch.setattr(WeightsPublisher, "contract_digest", unchecked, raising=False)


def wrong_sum(patch: Patch) -> None:
    real = WeightsPublisher.responses

    def responses(self: Any) -> list[GetWeightsResponse]:
        header, *rest = real(self)
        changed = GetWeightsResponse()
        changed.CopyFrom(header)
        changed.header.sha256 = bytes(32)
        return [changed, *rest]

    patch.setattr(WeightsPublisher, "responses", responses)


def answers_nobody(patch: Patch) -> None:
    real = Admission._answer

    def answer(self: Any, peer: bytes, message: Any, credits: int) -> Any:
        message.sequence = 0
        return real(self, peer, message, credits)

    patch.setattr(Admission, "_answer", answer)


def changed_requests(patch: Patch, **changes: Any) -> None:
    real = scoring.score_requests

    def requests(*arguments: Any, **rest: Any) -> Iterator[ScoreRequest]:
        for request in real(*arguments, **rest):
            if request.HasField("header"):
                for name, value in changes.items():
                    setattr(request.header, name, value)
            yield request

    patch.setattr(scoring, "score_requests", requests)


def one_id(patch: Patch) -> None:
    changed_requests(patch, batch_id="batch")


def remembers_nothing(patch: Patch) -> None:
    changed_requests(patch, remember=False)


def any_digest(patch: Patch) -> None:
    patch.setattr(admission, "check_digest", lambda digest, expected: None)


def any_name(patch: Patch) -> None:
    patch.setattr(admission, "check_sender", lambda actor_id: None)


def learns_the_old(patch: Patch) -> None:
    patch.setattr(LagLimit, "drops", lambda self, arrived, newest: False)


def begins_anywhere(patch: Patch) -> None:
    """Takes every first_step for that of the unroll in which it lies."""
    real = admission.view

    def view(header: Any, frames: Any, contract: Any, batch: int) -> Any:
        unroll = real(header, frames, contract, batch)
        if unroll.first_step is None:
            return unroll
        last = last_start(contract.num_actions, contract.length)
        nearest = np.clip(unroll.first_step // contract.length * contract.length, 0, last)
        return dataclasses.replace(unroll, first_step=nearest.astype(np.int32))

    patch.setattr(admission, "view", view)


def all_end(patch: Patch) -> None:
    real = scoring.score_requests
    patch.setattr(scoring, "score_requests", lambda *arguments, **rest: real(*arguments, **(rest | {"ends": None})))


MUTANTS = (
    Mutant(
        "learner",
        "accepts a trajectory again",
        (
            "a_trajectory_sent_again_is_a_duplicate",
            "a_duplicate_is_not_learnt_from",
            "sequences_far_behind_are_duplicates",
            "every_trajectory_costs_a_credit",
        ),
        duplicates_are_news,
    ),
    Mutant("learner", "accepts sequences of long ago", ("sequences_far_behind_are_duplicates",), no_window),
    Mutant(
        "learner",
        "lets actors send without a credit",
        ("credits_end_while_nothing_is_learnt", "credits_end_with_the_next_hello"),
        free_credits,
        quick=False,
    ),
    Mutant("learner", "accepts other generations", ("another_generation_is_refused",), any_generation),
    Mutant(
        "learner",
        "accepts newer weights than its own",
        ("weights_that_the_learner_never_had_are_refused",),
        any_number,
    ),
    Mutant("learner", "sends weights that the asker has", ("only_newer_weights_are_sent",), always_sends),
    Mutant("learner", "sends weights to other contracts", ("another_contract_gets_no_weights",), weights_for_all),
    Mutant(
        "learner",
        "announces another hash than its weights have",
        ("weights_come_whole", "callers_that_go_away_harm_nobody"),
        wrong_sum,
    ),
    Mutant("learner", "answers without a sequence", ("each_trajectory_has_one_answer_of_its_own",), answers_nobody),
    Mutant("learner", "gives all batches one id", ("batches_have_ids_of_their_own",), one_id),
    Mutant("learner", "lets the discriminator learn nothing", ("what_is_scored_is_what_was_sent",), remembers_nothing),
    Mutant(
        "learner",
        "takes unrolls that begin anywhere",
        ("unrolls_that_are_cut_wrongly_are_refused",),
        begins_anywhere,
        CUT,
    ),
    Mutant(
        "learner",
        "lets episodes end with each unroll",
        ("episodes_that_end_are_told_from_those_that_go_on",),
        all_end,
        CUT,
    ),
    Mutant("learner", "takes in actors of another contract", ("another_digest_is_turned_away",), any_digest),
    Mutant("learner", "takes in actors without a name", ("an_actor_has_a_name_of_1_to_128_bytes",), any_name),
    Mutant(
        "learner",
        "learns from what is too old",
        ("trajectories_that_are_too_old_are_dropped",),
        learns_the_old,
        quick=False,
    ),
)
