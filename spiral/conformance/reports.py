"""Results for machines: JSON with everything, JUnit for whatever runs the suite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from spiral.conformance.case import Level
from spiral.conformance.running import Result
from spiral.conformance.target import Target
from spiral.values import strict_json


def write_json(path: Path, results: Sequence[Result], target: Target, level: Level) -> None:
    """All results with their reasons, and what the load cases measured."""
    report = {
        "service": target.service,
        "address": target.address,
        "level": level,
        "passed": not any(result.outcome == "failed" for result in results),
        "cases": [
            {
                "name": result.case.name,
                "sentence": result.case.sentence,
                "group": result.case.group,
                "level": result.case.level,
                "outcome": result.outcome,
                "why": result.why,
                "duration_s": round(result.duration_s, 3),
            }
            for result in results
        ],
        "measurements": target.measurements,
    }
    path.write_text(strict_json.report(report, indent=2) + "\n")


def write_junit(path: Path, results: Sequence[Result], target: Target) -> None:
    """One test suite, one test case a case."""
    suite = ElementTree.Element(
        "testsuite",
        name=f"conformance.{target.service}",
        tests=str(len(results)),
        failures=str(sum(result.outcome == "failed" for result in results)),
        skipped=str(sum(result.outcome == "skipped" for result in results)),
        time=f"{sum(result.duration_s for result in results):.3f}",
    )
    for result in results:
        element = ElementTree.SubElement(
            suite,
            "testcase",
            classname=f"{target.service}.{result.case.group}",
            name=result.case.sentence,
            time=f"{result.duration_s:.3f}",
        )
        if result.outcome != "passed":
            ElementTree.SubElement(
                element, {"failed": "failure", "skipped": "skipped"}[result.outcome], message=result.why
            )
    ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
