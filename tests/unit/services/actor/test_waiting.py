"""The actor's account of whom it waits for, and its delays between tries."""

from __future__ import annotations

import logging
import random
from collections import Counter

import pytest

from spiral.services.actor.back_off import FIRST_S, LONGEST_S, BackOff
from spiral.services.actor.repeated_failure import RepeatedFailure
from spiral.services.actor.waiting import LOG_AFTER_S, Waits
from spiral.wire.info import Info


class Account:
    """Waits under a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.counted: Counter[str] = Counter()
        self.told: list[str] = []
        self.info = Info("actor")
        self.waits = Waits(self._count, self.info.waiting, lambda: self.now)

    def _count(self, peer: str, seconds: float) -> None:
        self.counted[peer] += seconds  # type: ignore[assignment]  # seconds are counted in parts

    def waiting_for(self) -> list[str]:
        """What GetInfo says."""
        return list(self.info.GetInfo(None, None).waiting_for)  # type: ignore[arg-type]


def test_all_time_waited_is_counted_once_whether_reported_meanwhile_or_not() -> None:
    account = Account()
    with account.waits("renderer", "frames"):
        account.now += 2
        account.waits.report()
        assert account.counted == {"renderer": 2.0}
        with account.waits("learner", "a credit"):
            account.now += 1
        account.waits.report()
        account.now += 0.5
    account.now += 10
    account.waits.report()
    assert account.counted == {"renderer": 3.5, "learner": 1.0}


def test_info_names_a_peer_as_long_as_anybody_waits_for_it() -> None:
    account = Account()
    with account.waits("renderer", "frames"):
        with account.waits("renderer", "a stream"):
            pass
        assert account.waiting_for() == ["renderer"]
    assert account.waiting_for() == []


def test_a_wait_that_fails_has_ended_too() -> None:
    account = Account()

    def fail() -> None:
        with account.waits("renderer", "frames"):
            account.now += 3
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (account.counted, account.waiting_for()) == ({"renderer": 3.0}, [])


def test_lines_about_a_wait_get_rarer_down_to_one_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    account = Account()
    with caplog.at_level(logging.WARNING), account.waits("learner", "a credit"):
        for _ in range(200):
            account.now += 1
            account.waits.report()
    assert caplog.messages == [f"waiting for the learner (a credit) for {s} s" for s in (10, 20, 40, 80, 140, 200)]


def test_a_failure_that_repeats_is_told_at_once_then_ever_more_rarely_with_a_count() -> None:
    failure = RepeatedFailure()
    told = {now: line for now in range(1200) if (line := failure.failed(now)) is not None}
    assert list(told) == [0, 20, 60, 140, 300, 600, 900]
    assert (told[0], told[20], told[900]) == ("", " (21 times in 20 s)", " (901 times in 900 s)")
    failure.ended()
    assert failure.failed(1200) == ""


def test_a_long_wait_is_logged_now_and_then_one_line_a_peer(caplog: pytest.LogCaptureFixture) -> None:
    account = Account()
    with (
        caplog.at_level(logging.WARNING),
        account.waits("renderer", "frames"),
        account.waits("renderer", "frames"),
        account.waits("learner", "a credit"),
    ):
        for _ in range(int(2 * LOG_AFTER_S)):
            account.now += 1
            account.waits.report()
    first = [f"waiting for the {who} for {LOG_AFTER_S:.0f} s" for who in ("renderer (frames)", "learner (a credit)")]
    assert caplog.messages[:2] == first
    assert len(caplog.messages) == 4


def test_delays_double_up_to_a_limit_and_start_anew_after_success() -> None:
    back_off = BackOff(random.Random(0))
    delays = [back_off.next_s() for _ in range(10)]
    for i, delay_s in enumerate(delays):
        assert delay_s == pytest.approx(min(FIRST_S * 2**i, LONGEST_S), rel=0.25)
    assert len(set(delays[-3:])) == 3, "no two alike"
    back_off.reset()
    assert back_off.next_s() == pytest.approx(FIRST_S, rel=0.25)
