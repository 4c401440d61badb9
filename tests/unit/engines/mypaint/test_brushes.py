"""Finding and checking brush files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spiral.engines import EngineMissingError
from spiral.engines.mypaint import MyPaint
from spiral.engines.mypaint.brushes import find_brush, find_pack, load_brush


def test_brushes_are_found_by_name_and_by_path() -> None:
    pen = find_brush("classic/pen")
    assert pen.name == "pen.myb"
    assert "1.0" in pen.parts
    assert find_brush(str(pen)) == pen
    assert load_brush(str(pen)).digest == load_brush("classic/pen").digest


def test_an_unknown_brush_is_refused_with_the_closest_ones_and_the_folder() -> None:
    with pytest.raises(
        ValueError, match=r'"classic/dry_brsh" is not one of .* in /.*brushes; closest: classic/dry_brush'
    ):
        MyPaint.from_settings({"brush": "classic/dry_brsh"})
    with pytest.raises(ValueError, match="closest: classic/pencil"):
        find_brush("pencil")
    with pytest.raises(ValueError, match=r"there is no file /nowhere/pen\.myb"):
        find_brush("/nowhere/pen.myb")
    for nowhere in ("~nobody-here/pen.myb", f"{'y' * 300}.myb"):
        with pytest.raises(ValueError, match="there is no file"):
            find_brush(nowhere)
    with pytest.raises(ValueError, match="is not one of"):
        find_brush("../../../../../etc/passwd")
    for name in (str(find_brush("classic/pen").with_suffix("")), "classic/../classic/pen", "../brushes/classic/pen"):
        with pytest.raises(ValueError, match="is not one of"):
            find_brush(name)


def test_the_environment_can_name_another_pack(tmp_path: Path) -> None:
    brush = tmp_path / "mine" / "thick.myb"
    brush.parent.mkdir()
    brush.write_bytes(find_brush("classic/pen").read_bytes())
    assert find_brush("mine/thick", {"SPIRAL_BRUSHES": str(tmp_path)}) == brush
    with pytest.raises(EngineMissingError, match=r"SPIRAL_BRUSHES: .*absent is not a folder"):
        find_pack({"SPIRAL_BRUSHES": str(tmp_path / "absent")})
    share = tmp_path / "share" / "mypaint-data" / "1.0" / "brushes"
    share.mkdir(parents=True)
    assert find_pack({"XDG_DATA_DIRS": f"/absent:{tmp_path / 'share'}"}) == share


def test_a_missing_pack_is_explained_with_its_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("spiral.engines.mypaint.brushes.SYSTEM_DATA", (str(tmp_path),))
    with pytest.raises(EngineMissingError, match=r"brush pack is not installed .*apt-get install mypaint-brushes"):
        find_pack({"XDG_DATA_HOME": str(tmp_path), "HOME": str(tmp_path)})


def test_bundled_brushes_come_before_the_pack(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bundled, pack = tmp_path / "bundled", tmp_path / "share" / "mypaint-data" / "1.0" / "brushes"
    for file in (bundled / "classic" / "pen.myb", pack / "classic" / "pen.myb", pack / "mine.myb"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    monkeypatch.setattr("spiral.engines.mypaint.brushes.BUNDLED", bundled)
    environment = {"XDG_DATA_HOME": str(tmp_path / "share")}
    assert find_brush("classic/pen", environment) == bundled / "classic" / "pen.myb"
    assert find_brush("mine", environment) == pack / "mine.myb"
    assert find_brush("classic/pen", {"SPIRAL_BRUSHES": str(pack)}) == pack / "classic" / "pen.myb"
    monkeypatch.setattr("spiral.engines.mypaint.brushes.SYSTEM_DATA", ())
    without = {"XDG_DATA_HOME": str(tmp_path)}
    assert find_brush("classic/pen", without) == bundled / "classic" / "pen.myb"
    with pytest.raises(EngineMissingError, match="apt-get install mypaint-brushes"):
        find_brush("mine", without)


def pen() -> dict[str, Any]:
    brush = json.loads(find_brush("classic/pen").read_text())
    assert isinstance(brush, dict)
    return brush


def changed(**settings: Any) -> dict[str, Any]:
    brush = pen()
    brush["settings"].update(settings)
    return brush


def without(name: str) -> dict[str, Any]:
    brush = pen()
    del brush["settings"][name]
    return brush


def setting(value: float, curve: list[list[float]] | None = None) -> dict[str, Any]:
    """A setting of a brush file, with a curve by pressure."""
    return {"base_value": value, "inputs": {} if curve is None else {"pressure": curve}}


@pytest.mark.parametrize(
    ("brush", "message"),
    [
        ("# an old brush\nversion 2", "not JSON"),
        ("[" * 100_000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
        ([], "version 3"),
        ({"version": 2, "settings": {"opaque": {}}}, "version 3"),
        ({"version": 3}, "has no settings"),
        (changed(opaque={"inputs": {}}), "no number as base_value of opaque"),
        (changed(opaque={"base_value": "1", "inputs": {}}), "no number as base_value of opaque"),
        (changed(opaque={"base_value": 1.0}), "no inputs of opaque"),
        (changed(opaque=setting(10**400)), r"no number as base_value of opaque: inf; expected -1000000…1000000"),
        (
            '{"version": 3, "settings": {"opaque": {"base_value": ' + "9" * 5000 + ', "inputs": {}}}}',
            "no number .* inf",
        ),
        (changed(opaque=setting(1_000_001)), "no number as base_value of opaque: 1000001.0"),
        (changed(opaque=setting(1.0, [[0.0, 0.0], [1_000_001.0, 1.0]])), "curve of opaque by pressure"),
        (changed(opaque=setting(1.0, [[0.0, 0.0], [1.0]])), "curve of opaque by pressure"),
        # In float32 these do not fall, so libmypaint itself takes them.
        (changed(opaque=setting(1.0, [[1.0, 0.0], [1.0 - 1e-9, 1.0]])), "curve of opaque by pressure"),
        (changed(opaque=setting(1.0, [[i, i] for i in range(64)])), "2 to 63 points with rising x"),
        (without("opaque"), "paints nothing: its opaque is left out"),
        (without("opaque_multiply"), "paints nothing: its opaque_multiply is left out"),
        (without("hardness"), "paints nothing: its hardness is left out"),
        (changed(opaque=setting(-0.5, [[0.0, 0.0], [1.0, 0.5]])), "its opaque is never more than 0"),
        # libmypaint takes a vertical piece's first value, and is never past the last point's.
        (changed(opaque_multiply=setting(0.0, [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])), "its opaque_multiply is never"),
        (changed(opaque_multiply=setting(0.0, [[0.0, 0.0], [0.0, 1.0]])), "its opaque_multiply is never more than 0"),
    ],
)
def test_a_damaged_brush_is_refused_with_what_is_wrong(brush: object, message: str, tmp_path: Path) -> None:
    path = tmp_path / "damaged.myb"
    if isinstance(brush, bytes):
        path.write_bytes(brush)
    else:
        path.write_text(brush if isinstance(brush, str) else json.dumps(brush))
    with pytest.raises(ValueError, match=message):
        MyPaint.from_settings({"brush": str(path)})


def test_a_brush_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.myb"
    path.write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(ValueError, match="1048577 bytes"):
        load_brush(str(path))


@pytest.mark.parametrize(
    "settings",
    [
        {"opaque_multiply": setting(0.0, [[0.0, 0.0], [0.0, 1.0], [1.0, 1.0]])},
        {"opaque_multiply": setting(0.0, [[0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])},
        {"opaque_multiply": setting(0.5, [[0.0, -0.5], [1.0, 0.5]])},
        {"opaque": {"base_value": 0.0, "inputs": {"speed1": [[-1.0, -1.0], [0.0, 0.0]]}}},
    ],
)
def test_a_brush_that_can_paint_is_taken(settings: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "good.myb"
    path.write_text(json.dumps(changed(**settings)))
    with MyPaint.from_settings({"brush": str(path)}).open(1) as canvases:
        assert canvases.step(np.array([[1, 900, 40, 2, 9]], dtype=np.int32)).min() < 255


def test_a_brush_from_a_file_paints_like_the_one_by_name(tmp_path: Path) -> None:
    path = tmp_path / "copy.myb"
    path.write_text(json.dumps(pen()))
    pictures = []
    for brush in ("classic/pen", str(path)):
        with MyPaint.from_settings({"brush": brush}).open(1) as canvases:
            pictures.append(canvases.step(np.array([[1, 900, 40, 2, 6]], dtype=np.int32)))
    np.testing.assert_array_equal(*pictures)


@pytest.mark.parametrize(
    ("name", "base", "curve"),
    [
        ("dabs_per_second", 201, []),
        ("dabs_per_actual_radius", 100, [[0, 0], [1, 101]]),
        ("tracking_noise", 12.5, []),
    ],
)
def test_a_brush_of_more_dabs_than_libmypaint_names_is_refused(
    tmp_path: Path, name: str, base: float, curve: list[list[float]]
) -> None:
    brush = json.loads(find_brush("classic/pen").read_text())
    brush["settings"][name] = {"base_value": base, "inputs": {"pressure": curve}}
    (tmp_path / "lavish.myb").write_text(json.dumps(brush))
    with pytest.raises(ValueError, match=f"has {name} of up to .*; expected 0…"):
        load_brush(str(tmp_path / "lavish.myb"))
