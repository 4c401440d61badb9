"""Programs as files of other formats.

plan = plan_export([program], Path("x.svg"), Options(width_mm=150))
plan.files    # what it would write; nothing has been painted yet
plan.write()  # a sentence on what was written
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from spiral.engines import create
from spiral.engines.export_plans import LARGEST_MM, WIDTH_MM, Options, Plan, count_of, only
from spiral.engines.exported_pictures import plan_gif, plan_mp4, plan_npz, plan_png
from spiral.engines.programs import Program, engine_for
from spiral.exports.layers import layers, optimised, pen_up
from spiral.exports.svg import svg
from spiral.values import strict_json
from spiral.values.atomic_file import atomic_write


def export(
    programs: Program | Sequence[Program], path: str | Path, options: Options | None = None, *, strict: bool = False
) -> str:
    """Write programs in the format of the path's ending, over what is there; a sentence on what was written.

    ValueError for what :func:`plan_export` refuses, OSError if the file can't be written.
    """
    several, path = [programs] if isinstance(programs, Program) else list(programs), Path(path)
    plan = plan_export(several, path, options or Options(), strict=strict)
    path.parent.mkdir(parents=True, exist_ok=True)
    return plan.write()


def plan_export(programs: Sequence[Program], path: Path, options: Options, *, strict: bool = False) -> Plan:
    """What :func:`export` would do.

    ValueError for an unknown ending, an option that the format does not have or that is out of range, several programs
    where the format takes one, pictures that would be too large, and with ``strict`` a program of another engine.
    """
    if not programs:
        raise ValueError("programs: there is none; expected at least one")
    if strict:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            for program in programs:
                engine_for(program, strict)
    own = create(programs[0].engine, programs[0].settings).formats()
    if (ending := _ending(path, own)) not in {*FORMATS, *own}:
        raise ValueError(f'out: the ending of "{path}" is unknown; expected one of {", ".join([*FORMATS, *own])}')
    takes, plan = (set[str](), None) if ending in own else FORMATS[ending]
    for name in options.given():
        if name not in takes:
            where = ", ".join(ending for ending, (names, _) in FORMATS.items() if name in names)
            raise ValueError(f"{name}: a {ending} has no such option; expected with {where} only")
    if plan is not None:
        return plan(programs, path, options)
    return _plan_own(only(programs, path), path)


def _ending(path: Path, own: Collection[str]) -> str:
    """The engine's own ending, which may have two parts (``.turn.gif``), or what follows the last dot."""
    return next((ending for ending in own if path.name.endswith(ending)), path.suffix)


def _plan_own(program: Program, path: Path) -> Plan:
    def write() -> str:
        formats = engine_for(program).formats()
        content = formats[_ending(path, formats)](program.actions)
        with atomic_write(path) as aside:
            aside.write_bytes(content)
        return f"{path}: {count_of(len(content), 'byte')}"

    return Plan([path], write)


def _plan_svg(programs: Sequence[Program], path: Path, options: Options) -> Plan:
    program, width_mm = only(programs, path), WIDTH_MM if options.width_mm is None else options.width_mm
    if not 0 < width_mm <= LARGEST_MM:
        raise ValueError(f"width_mm: {width_mm:g}; expected more than 0 and at most {LARGEST_MM:g}")

    def write() -> str:
        drawing = engine_for(program).drawing(program.actions)
        if drawing is None:
            raise ValueError(f'out: the engine "{program.engine}" paints no strokes, and an SVG is made of them')
        if drawing.lost:
            warnings.warn(f"{path}: {drawing.lost}", stacklevel=2)
        found = layers(drawing)
        unit, way = width_mm / drawing.width, pen_up(found)
        travel = f"{way * unit:.0f} mm"
        if options.optimise:
            found = optimised(found)
            travel = f"{pen_up(found) * unit:.0f} mm, {travel} before"
        kept = strict_json.exact(strict_json.read(program.to_json()), ascii=True)
        with atomic_write(path) as aside:
            aside.write_text(svg(drawing, found, width_mm, kept), encoding="utf-8")
        return (
            f"{path}: {count_of(len(drawing.strokes), 'stroke')} in {count_of(len(found), 'layer')}, {width_mm:g}×"
            f"{drawing.height * unit:g} mm; pen-up travel {travel}"
        )

    return Plan([path], write)


FORMATS: Mapping[str, tuple[set[str], Callable[[Sequence[Program], Path, Options], Plan]]] = {
    ".png": ({"scale", "every", "sheet", "transparent"}, plan_png),
    ".gif": ({"scale", "every", "ms"}, plan_gif),
    ".mp4": ({"scale", "every", "ms"}, plan_mp4),
    ".npz": ({"scale", "every", "transparent"}, plan_npz),
    ".svg": ({"width_mm", "optimise"}, _plan_svg),
}
"""By ending: the options that it has, and its plan."""
