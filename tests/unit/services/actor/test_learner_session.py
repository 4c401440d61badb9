"""The actor's side of the trajectory protocol, as a machine without sockets, tasks or clock."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from spiral.services.actor.learner_session import (
    IDLE_S,
    RETRY_S,
    SILENCE_S,
    ContractError,
    Decision,
    LearnerSession,
    Outcome,
)
from spiral.services.learner.admission import Admission
from spiral.v1.trajectory_pb2 import (
    REASON_DIGEST,
    REASON_GENERATION,
    REASON_NO_CREDIT,
    REASON_NO_HELLO,
    REASON_STOPPING,
    VERDICT_ACCEPTED,
    VERDICT_DUPLICATE,
    VERDICT_REFUSED,
    ActorMessage,
    Answer,
    Heartbeat,
    LearnerMessage,
    Refused,
    Welcome,
)
from spiral.values.versions import Version
from spiral.wire.contract import version_to_proto
from tests.support.trajectory_messages import BATCH, CONTRACT, VERSION, make_trajectory

LIMIT = CONTRACT.nbytes(BATCH) + 4096


def make_session() -> LearnerSession:
    return LearnerSession("a", 7, CONTRACT.digest)


def welcome(credits: int = 2, version: Version = VERSION, limit: int = LIMIT) -> LearnerMessage:
    return LearnerMessage(welcome=Welcome(version=version_to_proto(version), credits=credits, max_message_bytes=limit))


def answer(sequence: int, verdict: int = VERDICT_ACCEPTED, credits: int = 0, reason: int = 0) -> LearnerMessage:
    return LearnerMessage(
        answer=Answer(
            incarnation=7,
            sequence=sequence,
            verdict=verdict,  # type: ignore[arg-type]
            reason=reason,  # type: ignore[arg-type]
            version=version_to_proto(VERSION),
            credits=credits,
        )
    )


def heartbeat(credits: int = 0, version: Version = VERSION) -> LearnerMessage:
    return LearnerMessage(heartbeat=Heartbeat(version=version_to_proto(version), credits=credits))


def offer(session: LearnerSession, now: float = 0.0, version: Version = VERSION) -> Decision:
    return session.offer(make_trajectory(), version, version, 0.5, now)[1]


def said(decision: Decision) -> list[str]:
    """What is sent: "hello" or the sequence of a trajectory."""
    words = []
    for frames in decision.messages:
        message = ActorMessage.FromString(bytes(frames[0]))
        words.append("hello" if message.HasField("hello") else str(message.trajectory.sequence))
    return words


@pytest.fixture
def session() -> LearnerSession:
    session = make_session()
    assert said(session.connected(0.0)) == ["hello"]
    return session


def test_nothing_is_sent_before_a_welcome_and_then_no_more_than_there_are_credits(session: LearnerSession) -> None:
    assert [said(offer(session)) for _ in range(3)] == [[], [], []]
    assert said(session.receive(welcome(credits=2), 0.1)) == ["1", "2"]
    assert session.credits == 0
    assert session.waits(3)
    assert not session.waits(2)


def test_credits_of_answers_and_heartbeats_add_up(session: LearnerSession) -> None:
    session.receive(welcome(credits=1), 0.1)
    assert said(offer(session)) == ["1"]
    session.receive(answer(1, credits=1), 0.2)
    session.receive(heartbeat(credits=1), 0.3)
    assert session.credits == 2


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [(VERDICT_ACCEPTED, "accepted"), (VERDICT_DUPLICATE, "duplicate"), (VERDICT_REFUSED, "refused")],
)
def test_each_verdict_is_told_once(session: LearnerSession, verdict: int, outcome: Outcome) -> None:
    session.receive(welcome(), 0.1)
    offer(session)
    assert session.receive(answer(1, verdict, reason=REASON_GENERATION), 0.2).outcomes == [(1, outcome)]
    assert session.receive(answer(1, verdict), 0.3).outcomes == []


def test_silence_means_a_new_connection_and_what_was_unanswered_goes_first(session: LearnerSession) -> None:
    session.receive(welcome(credits=2), 1.0)
    for _ in range(3):
        offer(session)
    assert not session.tick(1.0 + SILENCE_S - 0.1).reconnect
    decision = session.tick(1.0 + SILENCE_S)
    assert decision.reconnect
    assert said(decision) == ["hello"]
    assert said(session.receive(welcome(credits=3), 12.0)) == ["1", "2", "3"]


def test_the_end_of_the_connection_means_a_new_one_at_once(session: LearnerSession) -> None:
    session.receive(welcome(credits=1), 0.0)
    offer(session)
    again = session.disconnected(0.1)
    assert again.reconnect
    assert said(again) == ["hello"]
    assert session.credits == 0
    assert said(session.receive(welcome(credits=1), 0.2)) == ["1"], "what was not answered is sent again"


def test_any_message_breaks_the_silence(session: LearnerSession) -> None:
    session.receive(welcome(), 1.0)
    session.receive(heartbeat(), 10.0)
    assert not session.tick(19.0).reconnect
    assert session.tick(20.0).reconnect


def test_a_new_generation_drops_what_an_old_one_painted(session: LearnerSession) -> None:
    session.receive(welcome(credits=1), 0.1)
    offer(session)
    offer(session)
    session.connected(1.0)
    decision = session.receive(welcome(credits=2, version=Version(4, 10)), 1.1)
    assert decision.outcomes == [(1, "dropped"), (2, "dropped")]
    assert said(decision) == []
    assert offer(session).outcomes == [(3, "dropped")]
    assert said(offer(session, version=Version(4, 10))) == ["4"]


def test_who_is_unknown_says_hello_again_on_the_same_connection(session: LearnerSession) -> None:
    session.receive(welcome(credits=2), 0.1)
    offer(session)
    offer(session)
    first = session.receive(answer(1, VERDICT_REFUSED, reason=REASON_NO_HELLO), 0.2)
    second = session.receive(answer(2, VERDICT_REFUSED, reason=REASON_NO_HELLO), 0.3)
    assert (first.reconnect, said(first), said(second)) == (False, ["hello"], [])
    assert first.outcomes + second.outcomes == [(1, "refused"), (2, "refused")]


def test_what_got_lost_when_the_connection_changed_unnoticed_is_sent_again(session: LearnerSession) -> None:
    session.receive(welcome(credits=2), 0.1)
    offer(session)
    offer(session)
    # ZeroMQ has connected anew by itself between the two: nobody has the first.
    assert said(session.receive(answer(2, VERDICT_REFUSED, reason=REASON_NO_HELLO), 0.2)) == ["hello"]
    assert said(session.receive(welcome(credits=2), 0.3)) == ["1"]


def test_credits_of_an_earlier_hello_do_not_count(session: LearnerSession) -> None:
    offer(session)
    assert said(session.receive(heartbeat(credits=1), 0.1)) == []
    assert session.credits == 0


def test_a_stopping_learner_is_asked_again_after_a_while(session: LearnerSession) -> None:
    session.receive(LearnerMessage(refused=Refused(reason=REASON_STOPPING)), 1.0)
    assert said(session.tick(1.0 + RETRY_S - 0.1)) == []
    assert said(session.tick(1.0 + RETRY_S)) == ["hello"]


def test_another_contract_is_an_error_with_both_digests(session: LearnerSession) -> None:
    refused = Refused(reason=REASON_DIGEST, detail="differs", contract_digest="theirs")
    with pytest.raises(ContractError, match=f"differs.*{CONTRACT.digest}.*theirs"):
        session.receive(LearnerMessage(refused=refused), 1.0)


def test_too_large_a_trajectory_is_an_error_before_it_is_sent(session: LearnerSession) -> None:
    session.receive(welcome(limit=CONTRACT.nbytes(BATCH)), 0.1)
    with pytest.raises(ContractError, match=f"takes at most {CONTRACT.nbytes(BATCH)}"):
        offer(session)


def test_credits_that_stay_unused_are_given_back(session: LearnerSession) -> None:
    session.receive(welcome(credits=1), 0.0)
    for now in range(int(IDLE_S)):
        assert said(session.tick(float(now))) == []
        session.receive(heartbeat(), float(now))
    assert said(session.tick(IDLE_S)) == ["hello"]
    session.receive(welcome(credits=0), IDLE_S)
    assert said(session.tick(2 * IDLE_S - 21)) == [], "there is nothing left to give back"


class BothEnds(RuleBasedStateMachine):
    """Two actors and a learner over links that delay and break: nothing is learned twice, nothing waits forever."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.version = VERSION
        self.offered: Counter[int] = Counter()
        self.outcomes: list[Counter[int]] = [Counter(), Counter()]
        self.accepted: Counter[tuple[int, int]] = Counter()
        self.names = 0
        self.actors = [LearnerSession("a", incarnation, CONTRACT.digest) for incarnation in range(2)]
        self.links: list[bytes] = [b"", b""]
        self.up: list[list[list[memoryview]]] = [[], []]
        self.down: list[list[LearnerMessage]] = [[], []]
        self._start_learner()
        for actor in range(2):
            self.break_the_link(actor)
            self._perform(actor, self.actors[actor].connected(self.now))
            self.carry_up(actor)
            self.carry_down(actor)

    def _start_learner(self) -> None:
        self.admission = Admission(
            CONTRACT, self.version, batch=BATCH, learner_batch=BATCH, queue=2, queue_bytes=1 << 20, credits_per_actor=2
        )

    def _perform(self, actor: int, decision: Decision) -> None:
        if decision.reconnect:
            self.break_the_link(actor)
        self.up[actor] += [[memoryview(frame) for frame in frames] for frames in decision.messages]
        for sequence, _ in decision.outcomes:
            self.outcomes[actor][sequence] += 1

    def _deliver(self, replies: list[tuple[bytes, LearnerMessage]]) -> None:
        for peer, message in replies:
            if peer in self.links:
                self.down[self.links.index(peer)].append(message)

    @rule(actor=st.integers(0, 1))
    def finish_a_trajectory(self, actor: int) -> None:
        self.offered[actor] += 1
        version = self.actors[actor].version
        self._perform(actor, self.actors[actor].offer(make_trajectory(), version, version, 0.5, self.now)[1])

    @rule(actor=st.integers(0, 1))
    def carry_up(self, actor: int) -> None:
        if self.up[actor]:
            decision = self.admission.receive(self.links[actor], self.up[actor].pop(0))
            if decision.admitted is not None:
                self.accepted[actor, decision.admitted.header.sequence] += 1
            assert all(message.answer.reason != REASON_NO_CREDIT for _, message in decision.replies)
            self._deliver(decision.replies)

    @rule(actor=st.integers(0, 1))
    def carry_down(self, actor: int) -> None:
        if self.down[actor]:
            self._perform(actor, self.actors[actor].receive(self.down[actor].pop(0), self.now))

    @rule()
    def learn(self) -> None:
        if self.admission.queued:
            self._deliver(self.admission.free_slot())

    @rule(seconds=st.sampled_from([0.5, 2.0, 11.0, 31.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self._deliver(self.admission.heartbeats())
        for actor in range(2):
            self._perform(actor, self.actors[actor].tick(self.now))

    @rule(actor=st.integers(0, 1))
    def break_the_link(self, actor: int) -> None:
        """ZeroMQ connects again by itself, under a new identity, and neither end is told."""
        self._deliver(self.admission.forget(self.links[actor]))
        self.names += 1
        self.links[actor] = f"{self.names}".encode()
        self.up[actor], self.down[actor] = [], []

    @precondition(lambda self: self.version.generation < 6)
    @rule()
    def restart_the_learner(self) -> None:
        self.version = Version(self.version.generation + 1, self.version.number)
        self._start_learner()
        for actor in range(2):
            self.break_the_link(actor)

    @invariant()
    def nothing_is_accepted_twice(self) -> None:
        assert all(times == 1 for times in self.accepted.values())

    @invariant()
    def each_has_at_most_one_fate(self) -> None:
        assert all(times == 1 for outcomes in self.outcomes for times in outcomes.values())

    def teardown(self) -> None:
        """Once all works again, everything that was offered gets its outcome: nobody waits forever."""
        for _ in range(60 + 4 * self.offered.total()):
            for actor in range(2):
                while self.up[actor]:
                    self.carry_up(actor)
                while self.down[actor]:
                    self.carry_down(actor)
            self.learn()
            self.pass_time(2.0)
        for actor in range(2):
            assert sorted(self.outcomes[actor]) == list(range(1, self.offered[actor] + 1))


TestBothEnds = BothEnds.TestCase
TestBothEnds.settings = settings(stateful_step_count=30, deadline=None)
