"""An actor and a learner of the version that was recorded, each against the other one's present counterpart."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from spiral.services.actor.learner_session import SILENCE_S, Decision
from spiral.v1.trajectory_pb2 import VERDICT_ACCEPTED, VERDICT_DUPLICATE, ActorMessage, LearnerMessage
from tests.wire.release import SESSION
from tests.wire.session import PEER, TRAJECTORIES, Said, frames_of, learns, make_actor, make_learner, offer


@pytest.fixture(scope="module")
def session() -> list[Said]:
    return [json.loads(line) for line in SESSION.read_text().splitlines()]


def learner_said(session: list[Said]) -> list[LearnerMessage]:
    return [LearnerMessage.FromString(frames_of(line)[0]) for line in session if line["by"] == "learner"]


def test_the_record_has_all_that_happens_between_the_two(session: list[Said]) -> None:
    said = learner_said(session)
    assert {message.WhichOneof("message") for message in said} == {"welcome", "answer", "heartbeat"}
    verdicts = [message.answer.verdict for message in said if message.HasField("answer")]
    assert verdicts.count(VERDICT_DUPLICATE) == 1
    assert verdicts.count(VERDICT_ACCEPTED) == TRAJECTORIES - 1
    actor = [ActorMessage.FromString(frames_of(line)[0]) for line in session if line["by"] == "actor"]
    assert [message.WhichOneof("message") for message in actor].count("hello") == 2


def test_a_recorded_actor_is_answered_by_the_learner_as_it_was(session: list[Said]) -> None:
    learner = make_learner()
    answers: list[LearnerMessage] = []
    heard = iter(learner_said(session))
    for line in session:
        match line["by"]:
            case "actor":
                assert answers == [], "the learner says more than it did"
                decision = learner.receive(PEER, [memoryview(frame) for frame in frames_of(line)])
                replies = [*decision.replies, *(learns(learner) if decision.admitted else [])]
                answers = [message for _, message in replies]
            case "learner":
                assert answers.pop(0) == next(heard)
            case "silence":
                assert answers, "what was lost"
                learner.forget(PEER)
                answers = []
    assert answers == []
    assert list(heard) == []


def test_a_recorded_learner_is_understood_by_the_actor_as_it_was(session: list[Said]) -> None:
    actor = make_actor()
    now, offered = 0.0, 0
    pending = list(parsed(actor.connected(now)))
    for line in session:
        match line["by"]:
            case "actor":
                if not pending:
                    pending += parsed(offer(actor, offered, now)[1])
                    offered += 1
                header, *frames = frames_of(line)
                assert pending.pop(0) == (ActorMessage.FromString(header), frames)
            case "learner":
                message = LearnerMessage.FromString(frames_of(line)[0])
                pending += parsed(actor.receive(message, now))
            case "silence":
                now += SILENCE_S
                pending += parsed(actor.tick(now))
    assert (offered, pending) == (TRAJECTORIES, [])


def parsed(decision: Decision) -> Iterator[tuple[ActorMessage, list[bytes]]]:
    for header, *frames in decision.messages:
        yield ActorMessage.FromString(bytes(header)), [bytes(frame) for frame in frames]
