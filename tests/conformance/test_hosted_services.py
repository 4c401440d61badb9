"""Our four services keep what the suite asks for, each in this process."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from spiral.conformance.case import Case
from spiral.conformance.catalogue import cases_of
from spiral.conformance.running import run_case
from spiral.conformance.target import Target
from spiral.wire.certificates import write_set
from spiral.wire.edges import SERVICES, Service
from tests.conformance.hosted import CUT, hosted_actor, hosted_learner
from tests.conformance.stage import LONG, OF_CUT, Stage

SKIPPED = {
    # Nobody can restart or end a service in the process of the test.
    "a_restart_does_not_matter": "--command",
    "it_finishes_the_episodes_under_way_and_ends": "--command",
    "a_restart_raises_the_generation": "--command",
    "it_answers_what_is_under_way_and_ends": "--command",
    "a_restart_raises_the_generation_and_keeps_the_run": "--command",
    "the_engine_is_asked_once_for_a_run": "--command",
    "it_ends_with_0_when_asked_to": "--command",
    "it_ends_with_0_in_time": "--command",
    "targets_come_from_the_discriminator": "not conditional",
    "strangers_are_not_heard": "--curve-key",
    "a_batch_that_no_message_holds_is_refused": "fit into a message",
    "a_message_above_4_mib_is_answered_where_declared": "no message above 4 MiB",
}


def parameters() -> Iterator[object]:
    for service in SERVICES:
        # Those of a run with unrolls together: it has a start of its own.
        for each in sorted(cases_of(service), key=lambda each: each.name in OF_CUT):
            marks = [pytest.mark.slow] if each.name in LONG else []
            yield pytest.param(service, each, id=f"{service}-{each.name}", marks=marks)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("stage"))
    yield stage
    stage.close()


@pytest.mark.parametrize(("service", "each"), list(parameters()))
def test_ours_keeps_it(stage: Stage, service: Service, each: Case) -> None:
    result = run_case(each, stage.target(service, CUT if each.name in OF_CUT else ()))
    if each.name in SKIPPED:
        assert (result.outcome, SKIPPED[each.name] in result.why) == ("skipped", True), result.why
    else:
        assert result.outcome == "passed", result.why


@pytest.mark.parametrize(
    ("host", "name"),
    [(hosted_learner, "strangers_are_not_heard"), (hosted_actor, "sequences_count_from_1")],
)
def test_ours_keeps_it_in_curve(host: Callable[..., AbstractContextManager[Target]], name: str, tmp_path: Path) -> None:
    write_set(tmp_path / "certs", [], datetime.timedelta(days=1), datetime.datetime.now(datetime.UTC))
    with host(tmp_path, certificates=tmp_path / "certs") as target:
        (each,) = (each for each in cases_of(target.service) if each.name == name)
        result = run_case(each, target)
    assert result.outcome == "passed", result.why
