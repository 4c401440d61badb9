"""docs/results.md is what its rows say, short, and every row can be read: docs/notebook/README.md."""

from __future__ import annotations

import csv
import re
from datetime import date
from pathlib import Path

import pytest

from benchmarks.results import DOCS, PAGE, ROWS, TABLES, page, read
from spiral.configuration.files import preset_names
from spiral.models import bundled_models, find_model, read_card

LONGEST = 150
FIGURES = ("models", "presets", "claims", "performance")
CARD = {
    "error, 32-pixel view": "mse",
    "error, whole canvas of 64 pixels": "canvas_mse",
    "read as the target's digit": "top1",
    "SSIM": "ssim",
    "LeNet-FID": "lenet_fid",
    "colour-FID": "colour_fid",
}
OF_COPIES = " to the pictures that it copied"
"""After a distance's name, where the paintings are of the very pictures that they are compared with."""


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == page(PAGE.read_text()), "make results"


def test_the_page_is_short() -> None:
    assert len(PAGE.read_text().splitlines()) <= LONGEST, "what is more belongs to docs/notebook"


def test_every_file_of_rows_is_a_table_of_the_page() -> None:
    assert sorted(re.findall(r"<!-- rows: (\w+) -->", PAGE.read_text())) == sorted(TABLES)
    assert sorted(path.stem for path in ROWS.glob("*")) == sorted(TABLES)


def test_a_machine_that_is_not_known_is_not_named() -> None:
    assert not re.search(r"\bon *(<br>|\||;)", PAGE.read_text())


def test_no_figure_stands_between_the_tables() -> None:
    prose = re.sub(r"<!-- rows: .*?<!-- end of rows -->|`[^`]*`|\]\([^)]*\)", "", PAGE.read_text(), flags=re.DOTALL)
    assert set(re.findall(r"\d[\d.,]*", prose)) <= {"95", "2"}, "95 % intervals and l2 alone"


@pytest.mark.parametrize("table", FIGURES)
def test_every_row_can_be_read(table: str) -> None:
    machines = [cells[0] for cells in csv.reader((ROWS / "machines.csv").open(newline=""))]
    for row in read(table):
        assert row.what, row
        assert not any("|" in cell or "\n" in cell for cell in vars(row).values()), row
        if row.low or row.high:
            assert float(row.low) <= float(row.value) <= float(row.high), row
        assert row.value or row.note, row
        assert re.fullmatch(r"\d+(\.\d+)?|", row.value), row
        assert row.frames == "" or int(row.frames) > 0, row
        assert row.machine in ("", *machines[1:]), row
        assert row.date == str(date.fromisoformat(row.date)), row
        assert not row.picture or (DOCS / "pictures" / row.picture).is_file(), row
        assert row.notebook.startswith(tuple(f"{path.name}#" for path in (DOCS / "notebook").glob("*.md"))), row


@pytest.mark.parametrize("table", FIGURES)
def test_what_belongs_together_stands_together(table: str) -> None:
    whats = [row.what for row in read(table)]
    assert len([a for a, b in zip(whats, [None, *whats], strict=False) if a != b]) == len(set(whats))


def test_a_figure_lives_once() -> None:
    with_place = [row for table in FIGURES for row in read(table) if not row.same_as and row.value]
    seen = [(row.what, row.figure, row.over, row.value, row.low, row.machine) for row in with_place]
    assert len(seen) == len({*seen}), "a row is there twice"


def test_each_preset_and_each_model_has_a_row() -> None:
    assert {row.what for row in read("models")} == {*bundled_models()}
    assert {row.what.partition(",")[0] for row in read("presets")} == {*preset_names()}, "no value: a note says why"


def test_models_have_the_scores_of_their_cards() -> None:
    for model in bundled_models():
        scores = read_card(find_model(model)).scores
        for figure, key in CARD.items():
            rows = (row for row in read("models") if row.what == model)
            row = next((row for row in rows if row.figure.removesuffix(OF_COPIES) == figure), None)
            assert (row is None) == (key not in scores), (model, figure)
            if row is not None:
                scale = 100 if row.unit == "%" else 1
                digits = len(row.value.partition(".")[2])
                assert f"{scores[key] * scale:.{digits}f}" == row.value, (model, figure)


def test_a_missing_row_that_another_names_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for table in FIGURES:
        rows = (ROWS / f"{table}.csv").read_text()
        (tmp_path / f"{table}.csv").write_text(rows.replace("models/mnist/", "models/gone/"))
    monkeypatch.setattr("benchmarks.results.ROWS", tmp_path)
    with pytest.raises(ValueError, match=r"models/gone/LeNet-FID: no such row"):
        read("claims")
