"""Programs as files: every format, what each refuses, and nothing half-written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

import spiral
from spiral.engines import registry
from spiral.engines.export_plans import LARGEST_MM, Options
from spiral.engines.exporting import FORMATS, export, plan_export
from spiral.engines.interface import Engine
from spiral.engines.programs import Program, render

ACTIONS = np.array([[1, 40, 90, 1, 9], [0, 3, 0, 0, 0], [1, 200, 30, 2, 5], [1, 200, 200, 0, 9]], np.int32)
PROGRAM = Program("mypaint", {"grid": 16}, ACTIONS)


def test_an_svg_says_what_it_is_and_keeps_its_program(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.svg"
    said = export(PROGRAM, path, Options(width_mm=64))
    assert said.startswith(f"{path}: 2 strokes in 2 layers, 64×64 mm; pen-up travel ")
    root = ElementTree.parse(path).getroot()
    kept = next(node.text for node in root.iter() if node.tag.endswith("program"))
    assert Program.from_json(str(kept)) == PROGRAM
    optimised = export(PROGRAM, path, Options(width_mm=64, optimise=True))
    assert optimised.rpartition("pen-up travel ")[2].endswith(f"{said.rpartition('pen-up travel ')[2]} before")


def test_a_png_can_have_no_paper(tmp_path: Path) -> None:
    export(PROGRAM, tmp_path / "x.png", Options(transparent=True, scale=2))
    with Image.open(tmp_path / "x.png") as picture:
        clear = np.asarray(picture).astype(float)
    assert clear.shape == (128, 128, 4)
    assert clear[..., 3].min() == 0
    on_white = clear[..., 0] * clear[..., 3] / 255 + 255 - clear[..., 3]
    np.testing.assert_allclose(on_white, render(PROGRAM, 2)[0, ..., 0], atol=2)


def test_a_png_after_every_kth_action_is_a_file_for_each(tmp_path: Path) -> None:
    long = replace(PROGRAM, actions=np.tile(ACTIONS, (3, 1)))
    plan = plan_export([long], tmp_path / "x.png", Options(every=5))
    assert [file.name for file in plan.files] == ["x-05.png", "x-10.png", "x-12.png"]
    assert plan.write() == f"{tmp_path / 'x-05.png'} … x-12.png: 3 pictures of 64×64"
    assert {path.name for path in tmp_path.iterdir()} == {"x-05.png", "x-10.png", "x-12.png"}
    for file, picture in zip(plan.files, render(long, every=5), strict=True):
        with Image.open(file) as shown:
            np.testing.assert_array_equal(np.asarray(shown), picture[..., [0, 0, 0]])


def test_sheets_show_all_moments_of_a_program_or_the_last_of_several(tmp_path: Path) -> None:
    path = tmp_path / "x.png"
    assert export(PROGRAM, path, Options(sheet=True)) == f"{path}: a sheet of 4 pictures of 64×64"
    with Image.open(path) as sheet:
        assert sheet.size == (2 * 68 + 4, 2 * 68 + 4)
    assert export([PROGRAM] * 5, path, Options(sheet=True, scale=2)) == f"{path}: a sheet of 5 pictures of 128×128"


def test_several_programs_are_painted_at_the_same_time(tmp_path: Path) -> None:
    short = replace(PROGRAM, actions=ACTIONS[:1])
    path = tmp_path / "x.gif"
    export([PROGRAM, short], path, Options(ms=50))
    with Image.open(path) as gif:
        assert gif.size == (2 * 68 + 4, 72)


def test_an_mp4_shows_every_action_and_holds_the_last(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "x.mp4"
    assert export([PROGRAM, PROGRAM], path, Options(ms=100)) == f"{path}: 23 frames of 560×288, 10 a second"
    with av.open(str(path)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 23
    assert export(PROGRAM, path, Options(scale=8, every=2)) == f"{path}: 11 frames of 512×512, 5 a second"
    with av.open(str(path)) as container:
        last = list(container.decode(video=0))[-1].to_ndarray(format="rgb24").astype(float)
    painted = np.broadcast_to(render(PROGRAM, 8)[0].astype(float), last.shape)
    assert np.abs(last - painted).mean() < 2


@pytest.mark.parametrize("ending", FORMATS)
def test_every_format_is_written_from_python(ending: str, tmp_path: Path) -> None:
    if ending == ".mp4":
        pytest.importorskip("av")
    assert spiral.export(PROGRAM, str(tmp_path / f"x{ending}")).startswith(f"{tmp_path / f'x{ending}'}: ")
    assert [path.name for path in tmp_path.iterdir()] == [f"x{ending}"]
    PROGRAM.save(tmp_path / f"y{ending}")
    assert (tmp_path / f"y{ending}").stat().st_size == (tmp_path / f"x{ending}").stat().st_size


REFUSED: list[tuple[list[Program], str, Options, str]] = [
    ([], "x.png", Options(), "programs: there is none"),
    ([PROGRAM], "x.bmp", Options(), r'ending of ".*x.bmp" is unknown; expected one of .png, .gif, .mp4, .npz, .svg'),
    ([PROGRAM], "x", Options(), "ending"),
    ([PROGRAM], "x.svg", Options(scale=2), "scale: a .svg has no such option; expected with .png, .gif, .mp4, .npz"),
    ([PROGRAM], "x.png", Options(ms=50), "ms: a .png has no such option; expected with .gif, .mp4 only"),
    ([PROGRAM], "x.gif", Options(width_mm=50), "width_mm: a .gif has no such option; expected with .svg only"),
    ([PROGRAM], "x.svg", Options(width_mm=0), f"width_mm: 0; expected more than 0 and at most {LARGEST_MM:g}"),
    ([PROGRAM], "x.svg", Options(width_mm=float("nan")), "width_mm: nan"),
    ([PROGRAM], "x.png", Options(scale=0), "scale: 0"),
    ([PROGRAM], "x.mp4", Options(scale=-1), "scale: -1"),
    ([PROGRAM], "x.png", Options(scale=129), "scale: 129"),
    ([PROGRAM], "x.png", Options(every=0), "every: 0"),
    ([PROGRAM], "x.gif", Options(ms=1), "ms: 1"),
    (
        [PROGRAM.with_settings(brush_sizes=[1, 2, 4])],
        "x.mp4",
        Options(scale=128),
        r"scale: 128 makes pictures of 8192×8192; .* at most 35,651,584 pixels",
    ),
    ([PROGRAM, PROGRAM], "x.svg", Options(), "programs: 2 make no .svg; expected one"),
    ([PROGRAM, PROGRAM], "x.npz", Options(), "programs: 2"),
    ([PROGRAM, PROGRAM], "x.png", Options(), "expected sheet, or one program"),
    ([PROGRAM, PROGRAM], "x.png", Options(sheet=True, every=2), "every: a sheet of several"),
    ([PROGRAM], "x.png", Options(sheet=True, transparent=True), "transparent: a sheet"),
    (
        [PROGRAM, PROGRAM.with_settings(canvas=128)],
        "x.gif",
        Options(),
        "canvases differ, 64×64×1 and 128×128×1",
    ),
    ([PROGRAM.with_settings(brush="classic/nothing")], "x.svg", Options(), "brush"),
]


@pytest.mark.parametrize(("programs", "name", "options", "said"), REFUSED)
def test_what_can_not_be_written_is_refused_before_anything_is(
    programs: list[Program], name: str, options: Options, said: str, tmp_path: Path
) -> None:
    if name.endswith(".mp4"):
        pytest.importorskip("av")
    with pytest.raises(ValueError, match=said):
        plan_export(programs, tmp_path / name, options)
    assert not list(tmp_path.iterdir())


def test_an_mp4_without_its_package_is_refused_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"an .mp4 needs PyAV, .*pip install .*video"):
        plan_export([PROGRAM], tmp_path / "x.mp4", Options())


def test_an_engine_can_have_formats_of_its_own_and_no_strokes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Typed(type(registry.create("mypaint", {}))):  # type: ignore[misc]
        def drawing(self, actions: Any) -> None:
            return None

        def formats(self) -> Any:
            return {".txt": lambda actions: repr(actions.tolist()).encode()}

    def make(name: str, settings: Any) -> Engine:
        return Typed.from_settings(settings)  # type: ignore[no-any-return]

    for module in ("exporting", "programs"):
        monkeypatch.setattr(f"spiral.engines.{module}.create", make)
    assert export(PROGRAM, tmp_path / "x.txt") == f"{tmp_path / 'x.txt'}: {len(repr(ACTIONS.tolist()))} bytes"
    assert (tmp_path / "x.txt").read_text() == repr(ACTIONS.tolist())
    with pytest.raises(ValueError, match=r"expected one of .*\.svg, \.txt"):
        plan_export([PROGRAM], tmp_path / "x.doc", Options())
    with pytest.raises(ValueError, match=r"scale: a .txt has no such option"):
        plan_export([PROGRAM], tmp_path / "x.txt", Options(scale=2))
    with pytest.raises(ValueError, match='the engine "mypaint" paints no strokes'):
        export(PROGRAM, tmp_path / "x.svg")


def test_a_brush_with_a_texture_is_told_of(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"x.svg: the brush \"classic/charcoal\" has a texture .* approximated"):
        export(PROGRAM.with_settings(brush="classic/charcoal"), tmp_path / "x.svg")
    assert "approximated" in (tmp_path / "x.svg").read_text()


def test_the_first_strokes_are_those_that_were_painted_first() -> None:
    assert PROGRAM.first(1).actions.tolist() == ACTIONS[:1].tolist()
    assert PROGRAM.first(2).actions.tolist() == ACTIONS[:3].tolist()
    assert PROGRAM.first(9) is PROGRAM
    with pytest.raises(ValueError, match="first: 0 is less than 1"):
        PROGRAM.first(0)
