"""The learner's side of the trajectory protocol, as a machine without sockets, threads or clock."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from spiral.services.learner.admission import Admission, Decision, Reply
from spiral.services.learner.duplicates import AcceptedSequences
from spiral.v1.trajectory_pb2 import (
    VERDICT_ACCEPTED,
    VERDICT_DUPLICATE,
    VERDICT_REFUSED,
    Answer,
    Reason,
    Verdict,
)
from spiral.wire.contract import version_to_proto
from tests.support.trajectory_messages import (
    BATCH,
    CONTRACT,
    GOOD,
    REFUSED,
    SPEC,
    VERSION,
    frames_of,
    hello,
    make_admission,
    make_header,
    make_trajectory,
    with_value,
)


def answer_of(decision: Decision) -> Answer:
    (answer,) = [message.answer for _, message in decision.replies if message.HasField("answer")]
    return answer


@pytest.fixture
def admission() -> Admission:
    admission = make_admission()
    admission.receive(b"p", hello())
    return admission


def test_a_hello_is_welcomed_with_credits_and_limits() -> None:
    ((peer, message),) = make_admission().receive(b"p", hello()).replies
    assert peer == b"p"
    assert message.welcome.credits == 2
    assert message.welcome.version == version_to_proto(VERSION)
    assert message.welcome.max_message_bytes > CONTRACT.nbytes(BATCH)
    assert message.welcome.heartbeat_interval_ms == 2000


def test_a_hello_with_another_digest_is_refused_with_both_digests() -> None:
    admission = make_admission()
    ((_, message),) = admission.receive(b"p", hello(digest="other")).replies
    assert message.refused.reason == Reason.REASON_DIGEST
    assert "other" in message.refused.detail
    assert message.refused.contract_digest == CONTRACT.digest
    assert admission.actors == 0


def test_an_accepted_trajectory_has_the_values_that_were_sent(admission: Admission) -> None:
    sent = make_trajectory()
    decision = admission.receive(b"p", frames_of(make_header(sent), sent))
    assert answer_of(decision).verdict == VERDICT_ACCEPTED
    assert decision.admitted is not None
    for name, array in decision.admitted.trajectory.tensors().items():
        np.testing.assert_array_equal(array, sent.tensors()[name], strict=True)
    assert admission.queued == 1


def test_noise_and_targets_travel_where_the_contract_has_them() -> None:
    contract = dataclasses.replace(CONTRACT, conditional=True, noise=5)
    admission, sent = make_admission(contract), make_trajectory(contract)
    admission.receive(b"p", hello(digest=contract.digest))
    decision = admission.receive(b"p", frames_of(make_header(sent, contract=contract), sent))
    assert decision.admitted is not None
    np.testing.assert_array_equal(decision.admitted.trajectory.noise, sent.noise)
    np.testing.assert_array_equal(decision.admitted.trajectory.targets, sent.targets)


def test_a_repeated_sequence_is_a_duplicate_and_takes_no_slot(admission: Admission) -> None:
    frames = frames_of(make_header(make_trajectory()), make_trajectory())
    admission.receive(b"p", frames)
    decision = admission.receive(b"p", frames)
    assert (answer_of(decision).verdict, decision.admitted, admission.queued) == (VERDICT_DUPLICATE, None, 1)


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_refused_with_reason_and_sentence(admission: Admission, case: str) -> None:
    frames, reason, word = REFUSED[case]
    decision = admission.receive(b"p", frames)
    answer = answer_of(decision)
    assert (answer.verdict, Reason.Name(answer.reason)) == (VERDICT_REFUSED, f"REASON_{reason}")
    assert word in answer.detail
    assert (decision.admitted, admission.queued) == (None, 0)
    assert answer_of(admission.receive(b"p", GOOD)).verdict == VERDICT_ACCEPTED, "the next good one is taken"


def test_rounding_of_a_certain_action_is_not_refused(admission: Admission) -> None:
    assert answer_of(admission.receive(b"p", with_value("behaviour_log_prob", 5e-5))).verdict == VERDICT_ACCEPTED


def test_who_has_not_said_hello_is_refused() -> None:
    answer = answer_of(make_admission().receive(b"p", GOOD))
    assert answer.reason == Reason.REASON_NO_HELLO
    assert (answer.incarnation, answer.sequence) == (7, 1)


def test_who_has_no_credit_is_refused_and_takes_nobodys_slot() -> None:
    admission = make_admission(queue=1)
    admission.receive(b"p", hello())
    admission.receive(b"q", hello("b", 1))
    trajectory = make_trajectory()
    header = make_header(trajectory)
    header.actor_id, header.incarnation = "b", 1
    assert answer_of(admission.receive(b"q", frames_of(header, trajectory))).reason == Reason.REASON_NO_CREDIT
    assert answer_of(admission.receive(b"p", GOOD)).verdict == VERDICT_ACCEPTED


def test_a_stopping_learner_refuses(admission: Admission) -> None:
    admission.stopping = True
    assert answer_of(admission.receive(b"p", GOOD)).reason == Reason.REASON_STOPPING
    ((_, message),) = admission.receive(b"q", hello("b")).replies
    assert message.refused.reason == Reason.REASON_STOPPING


def test_a_hello_on_a_new_connection_voids_the_credits_of_the_old_one() -> None:
    admission = make_admission(queue=2)
    admission.receive(b"old", hello())
    ((_, message),) = admission.receive(b"new", hello()).replies
    assert message.welcome.credits == 2
    assert answer_of(admission.receive(b"old", GOOD)).reason == Reason.REASON_NO_HELLO


def test_who_says_hello_again_leaves_its_credits_to_those_who_wait() -> None:
    admission = make_admission(queue=1)
    admission.receive(b"p", hello())
    admission.receive(b"q", hello("b"))
    replies = dict(admission.receive(b"p", hello()).replies)
    assert replies[b"p"].welcome.credits == 0
    assert replies[b"q"].heartbeat.credits == 1


def test_a_forgotten_peers_credits_go_to_who_waits() -> None:
    admission = make_admission(queue=1)
    admission.receive(b"p", hello())
    admission.receive(b"q", hello("b"))
    ((peer, message),) = admission.forget(b"p")
    assert (peer, message.heartbeat.credits) == (b"q", 1)


def test_actors_that_wait_get_freed_slots_in_turn() -> None:
    admission = make_admission(queue=1, credits_per_actor=1)
    peers = [b"p", b"q", b"r"]
    for i, peer in enumerate(peers):
        admission.receive(peer, hello("a", i))
    holder, turns = b"p", []
    for sequence in range(1, 10):
        header = make_header(make_trajectory(), sequence)
        header.incarnation = peers.index(holder)
        admission.receive(holder, frames_of(header, make_trajectory()))
        ((holder, message),) = admission.free_slot()
        assert message.heartbeat.credits == 1
        turns.append(holder)
    assert turns == [b"p", b"q", b"r"] * 3, "each is served once before anybody is served twice"


@pytest.mark.parametrize(
    "sizes", [{"queue": 1, "learner_batch": 4}, {"queue_bytes": CONTRACT.nbytes(BATCH) - 1}, {"credits_per_actor": 0}]
)
def test_sizes_with_which_the_loop_would_stand_still_are_refused_at_the_start(sizes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"at least 1|learner.queue ≥ \d+ and learner.queue_bytes ≥ \d+"):
        make_admission(**sizes)


@given(st.lists(st.binary(max_size=200), max_size=6), st.booleans())
def test_no_bytes_raise_and_each_message_gets_one_answer(frames: list[bytes], after_hello: bool) -> None:
    admission = make_admission()
    if after_hello:
        admission.receive(b"p", hello())
    decision = admission.receive(b"p", [memoryview(frame) for frame in frames])
    assert [peer for peer, _ in decision.replies] == [b"p"]
    assert decision.admitted is None


@given(st.integers(0, len(GOOD) - 1), st.data())
@settings(max_examples=2 * settings.default.max_examples)
def test_a_bent_message_is_answered_and_never_spoils_the_queue(index: int, data: st.DataObject) -> None:
    admission = make_admission()
    admission.receive(b"p", hello())
    bent = bytearray(GOOD[index])
    for _ in range(data.draw(st.integers(1, 4))):
        bent[data.draw(st.integers(0, len(bent) - 1))] = data.draw(st.integers(0, 255))
    frames = [memoryview(bent) if i == index else frame for i, frame in enumerate(GOOD)]
    decision = admission.receive(b"p", frames)
    if decision.admitted is not None:
        log_prob = decision.admitted.trajectory.behaviour_log_prob
        assert np.isfinite(log_prob).all()
        SPEC.validate(decision.admitted.trajectory.actions, "test")
    assert admission.queued == (decision.admitted is not None)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 60))))
def test_what_was_added_is_known_and_within_the_window_nothing_else_is(adds: list[tuple[int, int]]) -> None:
    accepted = AcceptedSequences(window=16)
    truth: dict[int, set[int]] = {0: set(), 1: set(), 2: set()}
    for sender, sequence in adds:
        accepted.add(("a", sender), sequence) if (("a", sender), sequence) not in accepted else None
        truth[sender].add(sequence)
        for probe in range(1, 62):
            recent = max(truth[sender]) - probe < 16
            assert ((("a", sender), probe) in accepted) == (probe in truth[sender] if recent else True)


def test_the_memory_for_senders_is_bounded() -> None:
    accepted = AcceptedSequences(senders=3)
    for sender in range(10):
        accepted.add(("a", sender), 1)
    assert [(("a", sender), 1) in accepted for sender in range(10)] == [False] * 7 + [True] * 3


class Protocol(RuleBasedStateMachine):
    """Any interleaving of what can happen keeps the promises of trajectory.proto."""

    connections = Bundle("connections")
    sent = Bundle("sent")

    def __init__(self) -> None:
        super().__init__()
        self.admission = make_admission(queue=3, queue_bytes=3 * CONTRACT.nbytes(BATCH) + 5, learner_batch=2 * BATCH)
        self.credits: Counter[bytes] = Counter()
        """What each connected actor believes to have."""
        self.accepted: Counter[tuple[int, int]] = Counter()
        self.sequence = 0
        self.names = 0
        self.actors: dict[bytes, int] = {}

    def _learn(self, replies: list[Reply]) -> None:
        for peer, message in replies:
            which = message.WhichOneof("message")
            assert which is not None
            if peer in self.actors:
                self.credits[peer] += getattr(message, which).credits

    @rule(target=connections, incarnation=st.integers(0, 2))
    def connect(self, incarnation: int) -> tuple[bytes, int]:
        self.names += 1
        return f"{self.names}".encode(), incarnation

    @rule(connection=connections)
    def say_hello(self, connection: tuple[bytes, int]) -> None:
        peer, incarnation = connection
        for other in [other for other, who in self.actors.items() if who == incarnation or other == peer]:
            del self.actors[other], self.credits[other]
        self.actors[peer], self.credits[peer] = incarnation, 0
        decision = self.admission.receive(peer, hello("a", incarnation))
        assert [p for p, m in decision.replies if m.HasField("welcome")] == [peer]
        self._learn(decision.replies)

    @rule(target=sent, connection=connections, good=st.booleans())
    def send(self, connection: tuple[bytes, int], good: bool) -> object:
        self.sequence += 1
        self._send(connection, self.sequence, good)
        return multiple((connection[1], self.sequence)) if good else multiple()

    @rule(connection=connections, message=sent)
    def resend(self, connection: tuple[bytes, int], message: tuple[int, int]) -> None:
        if connection[1] == message[0]:
            self._send(connection, message[1], True)

    def _send(self, connection: tuple[bytes, int], sequence: int, good: bool) -> None:
        peer, incarnation = connection
        trajectory = make_trajectory()
        if not good:
            trajectory.behaviour_log_prob[0, 0] = np.nan
        header = make_header(trajectory, sequence)
        header.incarnation = incarnation
        had_credit = self.credits[peer] > 0
        decision = self.admission.receive(peer, frames_of(header, trajectory))
        answer = answer_of(decision)
        assert (answer.incarnation, answer.sequence) == (incarnation, sequence)
        if peer not in self.actors:
            assert answer.reason == Reason.REASON_NO_HELLO
        elif not had_credit:
            assert answer.reason == Reason.REASON_NO_CREDIT
        else:
            self.credits[peer] -= 1
            before = (incarnation, sequence) in self.accepted
            right = VERDICT_REFUSED if not good else VERDICT_DUPLICATE if before else VERDICT_ACCEPTED
            assert Verdict.Name(answer.verdict) == Verdict.Name(right)
        if decision.admitted is not None:
            self.accepted[incarnation, sequence] += 1
        self._learn(decision.replies)

    @rule()
    def free(self) -> None:
        if self.admission.queued:
            self._learn(self.admission.free_slot())

    @rule(connection=consumes(connections))
    def disconnect(self, connection: tuple[bytes, int]) -> None:
        peer = connection[0]
        self.actors.pop(peer, None)
        self.credits.pop(peer, None)
        self._learn(self.admission.forget(peer))

    @rule()
    def tick(self) -> None:
        replies = self.admission.heartbeats()
        assert sorted(peer for peer, _ in replies) == sorted(self.actors)
        self._learn(replies)

    @invariant()
    def both_sides_agree_on_credits(self) -> None:
        assert self.admission.outstanding == self.credits.total()

    @invariant()
    def never_more_is_promised_or_queued_than_has_a_place(self) -> None:
        assert self.admission.outstanding + self.admission.queued <= 3
        promised_bytes = (self.admission.outstanding + self.admission.queued) * self.admission.message_bytes
        assert promised_bytes <= 3 * CONTRACT.nbytes(BATCH) + 5
        assert self.admission.free >= 0

    @invariant()
    def nothing_is_accepted_twice(self) -> None:
        assert all(times == 1 for times in self.accepted.values())

    @invariant()
    def nobody_waits_while_a_slot_is_free(self) -> None:
        if self.admission.free:
            assert all(self.credits[peer] > 0 for peer in self.actors)


TestProtocol = Protocol.TestCase
TestProtocol.settings = settings(max_examples=settings.default.max_examples // 2, stateful_step_count=30, deadline=None)
