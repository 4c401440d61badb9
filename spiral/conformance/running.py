"""Runs cases against a target, one after the other; none that fails keeps the next from running."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import grpc

from spiral.conformance.case import Case, Failure, Skip
from spiral.conformance.target import Target
from spiral.wire.error_reasons import reason

Outcome = Literal["passed", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a case."""

    case: Case
    outcome: Outcome
    why: str
    """The reason of a failure or a skip."""
    duration_s: float


def run_cases(cases: Iterable[Case], target: Target, tell: Callable[[Result], None]) -> list[Result]:
    """Run ``cases`` in order; ``tell`` hears of each result at once."""
    results = []
    for each in cases:
        results.append(run_case(each, target))
        tell(results[-1])
    return results


def run_case(each: Case, target: Target) -> Result:
    """Run one case; what it raises becomes its result."""
    start_s = time.monotonic()

    def result(outcome: Outcome, why: str = "") -> Result:
        return Result(each, outcome, why, time.monotonic() - start_s)

    try:
        target.revive()
        if each.capability and each.capability not in target.info.capabilities:
            return result("skipped", f'GetInfo does not claim the capability "{each.capability}"')
        each.run(target)
    except Skip as skip:
        return result("skipped", str(skip))
    except Failure as failure:
        return result("failed", str(failure))
    except grpc.RpcError as error:
        return result("failed", f"a valid call failed with {reason(error)}")
    except Exception as error:  # a mistake of the suite or of the target: either way the promise was not seen to hold
        return result("failed", f"{type(error).__name__}: {error}")
    return result("passed")
