"""Broken actors."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from spiral.policy.rollouts import Painter
from spiral.services.actor import trajectory_message, weights
from spiral.services.actor.learner_session import LearnerSession
from spiral.v1.trajectory_pb2 import LearnerMessage, TrajectoryHeader
from spiral.values.trajectories import Trajectory
from tests.conformance.hosted import CUT
from tests.conformance.mutants.mutant import Mutant

Patch = pytest.MonkeyPatch


def changed_trajectories(patch: Patch, change: Callable[[Trajectory], dict[str, Any]]) -> None:
    real = Painter.trajectory

    def trajectory(self: Any) -> Trajectory:
        painted = real(self)
        return dataclasses.replace(painted, **change(painted))

    patch.setattr(Painter, "trajectory", trajectory)


def changed_headers(patch: Patch, **changes: Any) -> None:
    patch.setattr(trajectory_message, "TrajectoryHeader", lambda **fields: TrajectoryHeader(**(fields | changes)))


def skips_sequences(patch: Patch) -> None:
    real = LearnerSession.offer

    def offer(self: Any, *arguments: Any) -> Any:
        self._sequence += 1
        return real(self, *arguments)

    patch.setattr(LearnerSession, "offer", offer)


def improbable(patch: Patch) -> None:
    changed_trajectories(patch, lambda t: {"behaviour_log_prob": t.behaviour_log_prob - np.float32(0.5)})


def looks_too_early(patch: Patch) -> None:
    changed_trajectories(patch, lambda t: {"observations": np.concatenate([t.observations[:1], t.observations[:-1]])})


def another_contract(patch: Patch) -> None:
    changed_headers(patch, contract_digest="another")


def negative_duration(patch: Patch) -> None:
    changed_headers(patch, duration_s=-1.0)


class AnyHash:
    """Finds every sum right."""

    @staticmethod
    def sha256(data: bytes) -> Any:
        class Sum:
            def digest(self) -> Any:
                class Equal(bytes):
                    def __ne__(self, other: object) -> bool:
                        return False

                    __hash__ = bytes.__hash__

                return Equal()

        return Sum()


def believes_bytes(patch: Patch) -> None:
    patch.setattr(weights, "hashlib", AnyHash)


def sends_twice(patch: Patch) -> None:
    real = LearnerSession._answer
    again: set[int] = set()

    def answer(self: Any, message: Any, decision: Any) -> None:
        outgoing = self._unanswered.get(message.sequence)
        real(self, message, decision)
        if outgoing is not None and message.sequence not in again:
            again.add(message.sequence)
            self._waiting.append(outgoing)

    patch.setattr(LearnerSession, "_answer", answer)


def forgets_the_unanswered(patch: Patch) -> None:
    real = LearnerSession._welcome

    def welcome(self: Any, message: Any, now: float) -> None:
        self._unanswered.clear()
        real(self, message, now)

    patch.setattr(LearnerSession, "_welcome", welcome)


def paints_the_same(patch: Patch) -> None:
    real = Painter.begin

    def begin(self: Any, *arguments: Any) -> None:
        self._generator.manual_seed(0)
        real(self, *arguments)

    patch.setattr(Painter, "begin", begin)


def keeps_old_generations(patch: Patch) -> None:
    patch.setattr(LearnerSession, "_drop_old_generations", lambda self, decision: None)


def counts_twice(patch: Patch) -> None:
    real = LearnerSession.receive

    def receive(self: Any, message: LearnerMessage, now: float) -> Any:
        if message.HasField("heartbeat"):
            message.heartbeat.credits *= 2
        return real(self, message, now)

    patch.setattr(LearnerSession, "receive", receive)


def repeats_the_last(patch: Patch) -> None:
    real = Painter.trajectory

    def trajectory(self: Any) -> Trajectory:
        length = self._step - self._start
        painted = real(self)
        painted.actions[length:] = painted.actions[length - 1]
        return painted

    patch.setattr(Painter, "trajectory", trajectory)


def forgets(patch: Patch) -> None:
    changed_trajectories(patch, lambda t: {"state": None if t.state is None else np.zeros_like(t.state)})


OBSERVED = ("observations_are_what_the_renderer_showed", "a_stream_that_is_lost_costs_its_episodes_alone")
CONTRACT = ("trajectories_are_what_the_contract_says",)
MUTANTS = (
    Mutant("actor", "leaves sequences out", ("sequences_count_from_1",), skips_sequences),
    Mutant("actor", "misjudges its own probabilities", ("zeroed_weights_make_it_uniform",), improbable),
    Mutant("actor", "records what it saw a step ago", OBSERVED, looks_too_early),
    Mutant("actor", "names another contract in its headers", CONTRACT, another_contract),
    Mutant("actor", "paints in less than no time", CONTRACT, negative_duration),
    Mutant("actor", "paints with damaged weights", ("damaged_weights_are_not_used",), believes_bytes),
    Mutant(
        "actor",
        "sends again what was answered",
        ("what_was_answered_is_not_sent_again", "sequences_count_from_1"),
        sends_twice,
    ),
    Mutant("actor", "forgets what was not answered", ("what_is_unanswered_is_sent_again",), forgets_the_unanswered),
    Mutant("actor", "paints every episode the same", ("episodes_differ",), paints_the_same),
    Mutant(
        "actor",
        "sends what an older generation painted",
        ("what_an_older_generation_painted_is_dropped",),
        keeps_old_generations,
    ),
    Mutant("actor", "fills unrolls up with actions", ("a_long_episode_comes_in_unrolls",), repeats_the_last, CUT),
    Mutant("actor", "forgets between unrolls", ("the_memory_lasts_from_unroll_to_unroll",), forgets, CUT),
    Mutant("actor", "counts some credits twice", ("nothing_is_sent_without_a_credit",), counts_twice, quick=False),
)
