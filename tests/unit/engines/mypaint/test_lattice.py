"""Places in up to 1,024 rows and columns: the same place, however it is numbered, is painted alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spiral.configuration.schema import PolicyConfig
from spiral.engines import create
from spiral.engines.description import EngineDescription
from spiral.engines.programs import Program, render
from spiral.policy import build_policy
from spiral.values.actions import ActionSpec, Component, contract_digest
from spiral.values.strokes import lengths
from spiral.wire.contract import description_to_proto

STROKES = [((2, 3), (5, 11), (7, 1)), ((0, 15), (7, 0), (3, 8)), ((4, 4), (4, 5), (0, 0))]
"""Start, end and control as row of 8 and column of 16."""


def program(rows: int, columns: int, **settings: Any) -> Program:
    def place(row: int, column: int) -> int:
        return row * rows // 8 * columns + column * columns // 16

    actions = []
    for start, end, control in STROKES:
        actions += [[0, place(*start), 0, 0, 0], [1, place(*end), place(*control), 2, 9]]
    grid = rows if rows == columns else [rows, columns]
    return Program("mypaint", {"canvas": [128, 256], "grid": grid, **settings}, np.array(actions))


def test_a_place_is_where_it_is_however_fine_the_lattice() -> None:
    expected = render(program(16, 16))
    assert (expected != 255).any()
    for rows, columns in ((8, 16), (128, 256), (1024, 16), (1024, 1024)):
        np.testing.assert_array_equal(render(program(rows, columns)), expected)
    large = render(program(8, 16), scale=2)
    np.testing.assert_array_equal(large, render(program(1024, 1024), scale=2))


def test_strokes_are_as_long_on_any_lattice() -> None:
    for rows, columns in ((8, 16), (1024, 1024)):
        one = program(rows, columns)
        spec = create("mypaint", one.settings).spec
        of_16 = lengths(program(16, 16).actions[:, None], create("mypaint", program(16, 16).settings).spec)
        np.testing.assert_allclose(lengths(one.actions[:, None], spec), of_16, atol=1e-6)


def test_a_lattice_for_replay_is_not_learned_on_and_does_not_travel() -> None:
    for grid, said in (([8, 16], "8 × 16"), (65, "65 × 65")):
        engine = create("mypaint", {"grid": grid})
        with pytest.raises(ValueError, match=f"a lattice of {said} places is for replay only"):
            build_policy(PolicyConfig(), engine.spec, (64, 64, 1), 4, False)
    with pytest.raises(ValueError, match="128 places in rows of 16 are for replay only"):
        description_to_proto(EngineDescription.of(create("mypaint", {"grid": [8, 16]})))
    description_to_proto(EngineDescription.of(create("mypaint", {"grid": 1024})))


def test_square_ones_are_as_they_were() -> None:
    square = Component("end", 64, "grid")
    assert (square.side, square.lattice) == (8, (8, 8))
    wide = Component("end", 64, "grid", 16)
    assert wide.lattice == (4, 16)
    with pytest.raises(ValueError, match="no square"):
        _ = wide.side
    for size, kind, columns in ((60, "grid", 0), (60, "grid", 7), (64, "grid", 8), (64, "choice", 16)):
        with pytest.raises(ValueError, match=r"a square number|no rows of"):
            Component("end", size, kind, columns)  # type: ignore[arg-type]
    digests = {contract_digest(ActionSpec((component,)), (8, 8, 1), 1, False) for component in (square, wide)}
    assert len(digests) == 2
    assert create("mypaint", {"grid": [32, 32]}).spec == create("mypaint", {}).spec
