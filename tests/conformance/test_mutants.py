"""Every broken promise is found by the case that it is for, and by no unrelated one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from spiral.conformance import target as suite
from spiral.conformance.catalogue import cases_of
from spiral.conformance.running import run_case
from spiral.wire.edges import SERVICES
from tests.conformance.mutants.actors import MUTANTS as ACTORS
from tests.conformance.mutants.discriminators import MUTANTS as DISCRIMINATORS
from tests.conformance.mutants.learners import MUTANTS as LEARNERS
from tests.conformance.mutants.mutant import Mutant
from tests.conformance.mutants.renderers import MUTANTS as RENDERERS
from tests.conformance.stage import Stage
from tests.conftest import MUTANT

MUTANTS = (*RENDERERS, *DISCRIMINATORS, *LEARNERS, *ACTORS)
QUICK_CORE = ("it_says_which_service_it_is", "health_says_serving")


def named(mutant: Mutant) -> str:
    return f"{mutant.service} {mutant.name}"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(tmp_path_factory.mktemp("mutants"))
    yield stage
    stage.close()


def test_there_are_at_least_20_and_4_for_each_service() -> None:
    counts = Counter(mutant.service for mutant in MUTANTS)
    assert len({named(mutant) for mutant in MUTANTS}) == len(MUTANTS) >= 20
    assert all(counts[service] >= 4 for service in SERVICES)


def test_every_case_that_is_named_exists() -> None:
    for mutant in MUTANTS:
        assert set(mutant.caught_by) <= {each.name for each in cases_of(mutant.service)}


@pytest.mark.parametrize("mutant", [mutant for mutant in MUTANTS if mutant.quick], ids=named)
def test_its_case_finds_it_and_a_quick_core_does_not(
    mutant: Mutant, stage: Stage, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    cases = {each.name: each for each in cases_of(mutant.service)}
    target = stage.target(mutant.service, mutant.settings)
    # What must come and does not is not waited for as long as on a stranger's busy machine.
    monkeypatch.setattr(suite, "PATIENCE_S", 1.5)
    mutant.apply(monkeypatch)
    result = run_case(cases[mutant.caught_by[0]], target)
    assert result.outcome == "failed", "the mutant lives"
    for name in QUICK_CORE:
        assert run_case(cases[name], target).outcome == "passed"
    record_property(MUTANT, (mutant.service, mutant.name, mutant.caught_by[0]))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("mutant", MUTANTS, ids=named)
def test_exactly_the_cases_of_its_promise_find_it(
    mutant: Mutant, stage: Stage, monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    mutant.apply(monkeypatch)
    target = stage.target(mutant.service, mutant.settings, fresh=True)
    results = [run_case(each, target) for each in cases_of(mutant.service)]
    failed = {result.case.name: result.why for result in results if result.outcome == "failed"}
    stage.close()
    assert set(failed) == set(mutant.caught_by), failed
    record_property(MUTANT, (mutant.service, mutant.name, ", ".join(mutant.caught_by)))
