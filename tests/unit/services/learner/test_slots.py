"""How many trajectories may be under way: as many as keep the learner busy, and no more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from spiral.services.learner.slots import PATIENCE, Slots
from tests.support.trajectory_messages import (
    BATCH,
    CONTRACT,
    frames_of,
    hello,
    make_admission,
    make_header,
    make_trajectory,
)

QUEUE, MOST = 2, 6


def make_slots() -> Slots:
    size = CONTRACT.nbytes(BATCH)
    return Slots(CONTRACT, batch=BATCH, learner_batch=BATCH, queue=QUEUE, queue_bytes=MOST * size)


def test_actors_that_wait_for_a_credit_get_one_as_long_as_the_learner_waits() -> None:
    admission = make_admission(queue=QUEUE)
    for peer in (b"a", b"b", b"c"):
        admission.receive(peer, hello(actor_id=peer.decode()))
    assert admission.outstanding == QUEUE, "the first one has all there are"
    given_to = [peer for _ in range(9) for peer, message in admission.starved() if message.heartbeat.credits]
    assert given_to == [b"b", b"c", b"b", b"c"]
    assert admission.outstanding == admission.slots.count == 6, "two for each: more would be of no use to anybody"


def test_one_actor_that_paints_all_it_can_changes_nothing() -> None:
    admission = make_admission(queue=QUEUE)
    admission.receive(b"a", hello())
    assert not admission.starved()
    sent = make_trajectory()
    admission.receive(b"a", frames_of(make_header(sent), sent))
    assert not admission.starved(), "what it waited for has come in this moment"
    assert admission.slots.count == QUEUE


def test_no_more_are_under_way_than_stay_fresh() -> None:
    admission = make_admission(queue=QUEUE, fresh_batches=3)
    for peer in (b"a", b"b", b"c"):
        admission.receive(peer, hello(actor_id=peer.decode()))
    for _ in range(9):
        admission.starved()
    assert admission.outstanding == 3
    assert admission.most_actors == 1.5, "two credits each"
    assert make_admission(queue=QUEUE, fresh_batches=0).slots.most == QUEUE, "what was asked for is there in any case"


def test_what_lies_waiting_for_long_is_too_much() -> None:
    slots = make_slots()
    slots.starved(0, wanted=True)
    for _ in range(PATIENCE - 1):
        slots.fed(2)
    slots.fed(1)  # once no more than the next batch: it begins to count anew
    for _ in range(PATIENCE - 1):
        slots.fed(2)
    assert slots.count == QUEUE + 1
    slots.fed(2)
    assert slots.count == QUEUE


@given(st.lists(st.one_of(st.tuples(st.integers(0, 9), st.booleans()), st.integers(0, 9))))
def test_it_stays_between_the_queue_and_its_bytes(events: list[tuple[int, bool] | int]) -> None:
    slots = make_slots()
    for event in events:
        if isinstance(event, int):
            slots.fed(event)
        else:
            slots.starved(*event)
        assert QUEUE <= slots.count <= MOST
