"""docs/conformance.md is what the cases say."""

from __future__ import annotations

from pathlib import Path

import pytest

from spiral.conformance.case import case
from spiral.conformance.catalogue import cases_of
from spiral.conformance.document import document
from spiral.conformance.every.metrics_page import NAMES
from spiral.wire.edges import SERVICES

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == document(), "python -m spiral.conformance.document > docs/conformance.md"


def test_the_page_names_the_metrics_that_have_to_be_there() -> None:
    assert [name for names in NAMES.values() for name in names if f"``{name}``" not in PAGE.read_text()] == []


@pytest.mark.parametrize("service", SERVICES)
def test_every_name_and_every_sentence_is_there_once(service: str) -> None:
    cases = cases_of(service, load=True)  # type: ignore[arg-type]
    assert len({each.name for each in cases}) == len({each.sentence for each in cases}) == len(cases)


def test_a_case_without_a_procedure_is_an_error() -> None:
    def silent(target: object) -> None:
        """It says what, but not how."""

    with pytest.raises(
        ValueError, match="silent: its docstring is incomplete; expected a sentence, an empty line, a procedure"
    ):
        case("renderer", "identity")(silent)
