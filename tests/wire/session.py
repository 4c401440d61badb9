"""A dialogue of an actor and a learner, with all that the protocol knows: as it is now, and as it was written down."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from typing import Any

from spiral.services.actor.learner_session import SILENCE_S, Decision, LearnerSession
from spiral.services.learner.admission import Admission, Reply
from spiral.values.versions import Version
from tests.support.trajectory_messages import CONTRACT, VERSION, make_admission, make_trajectory

PEER = b"peer"
TRAJECTORIES = 6
Said = dict[str, Any]


def said(by: str, frames: list[bytes]) -> Said:
    """One message as a line of the record."""
    return {"by": by, "frames": [base64.b64encode(frame).decode() for frame in frames]}


def frames_of(line: Said) -> list[bytes]:
    """The frames of a line."""
    return [base64.b64decode(frame) for frame in line["frames"]]


def make_actor() -> LearnerSession:
    """The actor of the record."""
    return LearnerSession("a", 7, CONTRACT.digest)


def make_learner() -> Admission:
    """The learner of the record; :func:`learns` frees its slots."""
    return make_admission()


def learns(learner: Admission) -> list[Reply]:
    """What it does after each trajectory that it accepted: it learns, tells of a newer version, and frees the slot."""
    learner.version = Version(learner.version.generation, learner.version.number + 1)
    return [*learner.heartbeats(), *learner.free_slot()]


def recorded() -> Iterator[Said]:
    """Hello, welcome, trajectories against credits, answers, heartbeats, a connection lost with one trajectory
    unanswered, which is sent again and is a duplicate."""
    actor, learner = make_actor(), make_learner()
    now = 0.0
    pending = list(_of(actor.connected(now)))
    offered, lost = 0, False
    while pending or offered < TRAJECTORIES:
        while pending:
            frames = pending.pop(0)
            yield said("actor", frames)
            decision = learner.receive(PEER, [memoryview(frame) for frame in frames])
            replies = [*decision.replies, *(learns(learner) if decision.admitted else [])]
            if decision.admitted and offered == TRAJECTORIES // 2 and not lost:
                lost = True  # the answers never arrive; silence follows
                learner.forget(PEER)
                now += SILENCE_S
                yield {"by": "silence", "frames": []}
                pending = list(_of(actor.tick(now)))
                continue
            for _, message in replies:
                content = message.SerializeToString(deterministic=True)
                yield said("learner", [content])
                pending += _of(actor.receive(message, now))
        if offered < TRAJECTORIES:
            _, decision = offer(actor, offered, now)
            offered += 1
            pending += _of(decision)


def offer(actor: LearnerSession, number: int, now: float) -> tuple[int, Decision]:
    """The actor has painted its ``number``-th trajectory."""
    return actor.offer(make_trajectory(seed=number), VERSION, VERSION, random.Random(number).random(), now)


def _of(decision: Decision) -> Iterator[list[bytes]]:
    return ([bytes(frame) for frame in frames] for frames in decision.messages)
