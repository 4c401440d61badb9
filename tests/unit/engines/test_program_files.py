"""Program files: both formats, the schema, and what a replay says of another brush file or library."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spiral.engines import create
from spiral.engines.program_files import FORMAT, FORMER, ProgramFile
from spiral.engines.programs import Program, render
from spiral.values import strict_json

SCHEMA = Path(__file__).parents[3] / "docs" / "spiral-program-2.schema.json"
SETTINGS: dict[str, Any] = {"brush": "classic/pen", "grid": 16, "canvas": [64, 128]}
ACTIONS = np.array([[1, 40, 90, 1, 9], [1, 200, 30, 2, 5]], np.int32)
MADE = Program.of(create("mypaint", SETTINGS), SETTINGS, ACTIONS)
TREE = json.loads(MADE.to_json())


def former(program: Program = MADE, **changed: Any) -> Program:
    """The program as a release before digests wrote it."""
    kept = ("engine", "engine_version", "settings", "seed", "actions")
    tree = {"format": FORMER, **{key: json.loads(program.to_json())[key] for key in kept}, **changed}
    return Program.from_json(strict_json.exact(tree))


def test_a_program_names_what_painted_it() -> None:
    assert TREE["format"] == FORMAT
    assert TREE["canvas"] == [64, 128, 1]
    assert list(TREE["digests"]) == ["brush"]
    version, _, digest = TREE["engine_version"].rpartition(" sha256:")
    assert version.startswith("libmypaint-")
    assert TREE["digests"]["brush"].startswith(digest)
    assert Program.from_json(MADE.to_json()) == MADE


def test_the_schema_is_that_of_the_files_and_takes_them() -> None:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **ProgramFile.model_json_schema()}
    assert SCHEMA.read_text() == strict_json.exact(schema, indent=1) + "\n"
    jsonschema = pytest.importorskip("jsonschema")
    check = jsonschema.Draft202012Validator(schema)
    check.validate(TREE)
    check.validate(json.loads(Program("mypaint", {}, ACTIONS).to_json()))
    for wrong in ({"digests": {"brush": "12"}}, {"canvas": [64, 64]}, {"actions": [[-1]]}, {"more": 1}):
        assert not check.is_valid({**TREE, **wrong})
        with pytest.raises(ValueError, match=f"program: {min(wrong)}"):
            Program.from_json(strict_json.exact({**TREE, **wrong}))


def test_a_program_from_before_digests_stays_one_and_says_so() -> None:
    old = former()
    assert (old.format, old.digests, old.canvas) == (FORMER, {}, None)
    assert Program.from_json(old.to_json()) == old
    with pytest.warns(UserWarning, match="program: spiral-program/1 was made before digests of its files were kept$"):
        np.testing.assert_array_equal(render(old, strict=True), render(MADE))
    with pytest.raises(ValueError, match=r"from before digests .* does not say what painted it; expected the same"):
        render(former(engine_version=""), strict=True)


def test_a_program_of_a_newer_format_is_refused_with_the_remedy() -> None:
    newer = strict_json.exact({**TREE, "format": "spiral-program/3", "strokes": []})
    with pytest.raises(ValueError, match=r'"spiral-program/3" is not known .* newer spiral-painter reads newer ones'):
        Program.from_json(newer)


def test_another_brush_file_or_library_is_told_of_and_refused_if_strict(tmp_path: Path) -> None:
    brush = create("mypaint", SETTINGS)._brush_file.text
    path = tmp_path / "mine.myb"
    path.write_text(brush)
    settings = {**SETTINGS, "brush": str(path)}
    made = Program.of(create("mypaint", settings), settings, ACTIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        render(made, strict=True)
    path.write_text(brush + "\n")
    for changed, said in (
        (made, "was another one: its SHA-256 began with"),
        (replace(made, engine_version=""), "the file of brush was another one: its SHA-256 began with"),
        (replace(MADE, engine_version=MADE.engine_version.replace("libmypaint-", "libmypaint-0-")), "painted with lib"),
        (replace(MADE, digests={"palette": "0" * 64}), "the file of palette was .* and here there is none"),
    ):
        with pytest.warns(UserWarning, match=rf"program: .*{said}.*; the picture may look different"):
            render(changed)
        with pytest.raises(ValueError, match=rf"program: .*{said}.*expected the same ones \(strict\)"):
            render(changed, strict=True)


def test_settings_can_be_changed_and_then_nothing_has_painted_it_yet() -> None:
    other = MADE.with_settings(brush="classic/charcoal")
    assert (other.settings["brush"], other.engine_version, other.digests, other.canvas) == (
        "classic/charcoal",
        "",
        {},
        None,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (render(other, strict=True) != render(MADE)).any()
