"""Finds and checks brush files: some faulty ones make libmypaint abort the whole process."""

from __future__ import annotations

import difflib
import hashlib
import itertools
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spiral.engines.interface import EngineMissingError
from spiral.engines.mypaint.opacity import find_void

BUNDLED = Path(__file__).parent / "bundled"
"""The brushes of a self-contained wheel: the files that the models that ship were trained with (make wheel)."""
PACK = Path("mypaint-data") / "1.0" / "brushes"
"""The 1.x brush pack in a data folder; many brushes of the 2.0 pack paint differently, also pen (docs/method.md, 4)."""
SYSTEM_DATA = ("/usr/local/share", "/usr/share")
APT = "apt-get install mypaint-brushes"
MAX_BYTES = 1 << 20
"""Largest brush file; typical ones have about 10 kB."""
MAX_POINTS = 63
"""Most points of an input's curve; with more than one above this libmypaint aborts the process."""
MAX_VALUE = 1e6
"""Largest value of a setting or a point. Real brushes stay below 1,000; libmypaint computes exponentials in float32."""

MOST_DABS = {"dabs_per_basic_radius": 200, "dabs_per_actual_radius": 200, "dabs_per_second": 200, "tracking_noise": 12}
"""Settings that decide how many dabs a stroke has, with libmypaint's own limits, which it does not enforce."""


@dataclass(frozen=True, slots=True)
class BrushFile:
    """A checked brush: its name or path as given, and the file's content."""

    name: str
    text: str

    @property
    def digest(self) -> str:
        """SHA-256 of the content, hex; the content decides how the brush paints."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def pack_folders(environment: Mapping[str, str]) -> Iterator[Path]:
    """Folders that may hold the brush pack, best first; ``SPIRAL_BRUSHES`` replaces them all."""
    if override := environment.get("SPIRAL_BRUSHES"):
        yield Path(override)
        return
    home = environment.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    for data in [home, *environment.get("XDG_DATA_DIRS", "").split(":"), *SYSTEM_DATA]:
        if data:
            yield Path(data) / PACK


def find_pack(environment: Mapping[str, str]) -> Path:
    """Folder of the brush pack; EngineMissingError with the remedy if there is none."""
    folders = list(pack_folders(environment))
    for folder in folders:
        if folder.is_dir():
            return folder
    if override := environment.get("SPIRAL_BRUSHES"):
        raise EngineMissingError(f"SPIRAL_BRUSHES: {override} is not a folder; expected one with classic/pen.myb in it")
    raise EngineMissingError(
        f"the brush pack is not installed (looked in {', '.join(map(str, folders))}); on Debian and Ubuntu: {APT}"
    )


def brushes_in(folder: Path) -> dict[str, Path]:
    """The brush files in a folder, by name; none if there is no such folder."""
    return {str(path.relative_to(folder).with_suffix("")): path for path in sorted(folder.rglob("*.myb"))}


def find_brush(name: str, environment: Mapping[str, str] | None = None) -> Path:
    """File of a brush given by name or path; ValueError that names the closest brushes if there is none.

    A bundled brush comes before the system's, so that models paint as they learned to whatever pack is installed.
    EngineMissingError with the remedy if the brush is not bundled and there is no pack.
    """
    if name.endswith(".myb"):
        # os.path returns False for impossible users or names, where pathlib raises.
        path = Path(os.path.expanduser(name))
        if os.path.isfile(path):
            return path
        raise ValueError(f"brush: there is no file {name}")
    environment = os.environ if environment is None else environment
    if not environment.get("SPIRAL_BRUSHES") and (bundled := _file(BUNDLED, name)):
        return bundled
    folder = find_pack(environment)
    if file := _file(folder, name):
        return file
    known = brushes_in(folder)
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    by_last = [full for full in known if full.rpartition("/")[2] == name.rpartition("/")[2]]
    hints = list(dict.fromkeys(by_last + close)) or sorted(known)[:3]
    raise ValueError(
        f'brush: "{name}" is not one of the {len(known)} brushes in {folder}; closest: {", ".join(hints)} '
        "(or give the path of a .myb file)"
    )


def _file(folder: Path, name: str) -> Path | None:
    """The brush of that name in a folder, or None. Listing a whole pack takes several times as long as a picture."""
    inside = os.path.normpath(name) == name and not name.startswith(("/", ".."))
    path = folder / f"{name}.myb"
    return path if inside and os.path.isfile(path) else None


def load_brush(name: str, environment: Mapping[str, str] | None = None) -> BrushFile:
    """Read and check a brush; ValueError that says what is wrong with it."""
    path = find_brush(name, environment)
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"brush: {path} has {path.stat().st_size} bytes; a brush file has at most {MAX_BYTES}")
    try:
        text = path.read_text(encoding="utf-8")
        # Integers, too: libmypaint has no numbers of a thousand digits.
        brush = json.loads(text, parse_int=float)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"brush: {path} is no brush of version 3, it is not JSON: {error}") from error
    except OSError as error:
        raise ValueError(f"brush: {path} can't be read: {error.strerror}") from error
    if (problem := find_problem(brush)) is not None:
        raise ValueError(f"brush: {path} {problem}")
    return BrushFile(name, text)


def find_problem(brush: object) -> str | None:
    """What would make libmypaint abort on a parsed brush file, or why it paints nothing; None if it is good."""
    if not isinstance(brush, dict) or brush.get("version") != 3:
        return "is not a brush of version 3, the JSON format that libmypaint reads"
    settings = brush.get("settings")
    if not isinstance(settings, dict) or not settings:
        return "has no settings"
    for name, setting in settings.items():
        if (problem := _find_setting_problem(name, setting)) is not None:
            return problem
    if (void := find_void(settings)) is not None:
        lack = "is never more than 0" if void in settings else "is left out, which is 0"
        return f"paints nothing: its {void} {lack}; expected a value above 0 for some pressure"
    return _find_excess(settings)


def _find_setting_problem(name: str, setting: Any) -> str | None:
    limits = f"{-MAX_VALUE:.0f}…{MAX_VALUE:.0f}"
    value = setting.get("base_value") if isinstance(setting, dict) else None
    if not _is_number(value):
        return f"has no number as base_value of {name}: {str(value)[:40]}; expected {limits}"
    inputs = setting.get("inputs")
    if not isinstance(inputs, dict):
        return f"has no inputs of {name}"
    for source, points in inputs.items():
        if not _is_curve(points):
            return (
                f"has a curve of {name} by {source} that is not 2 to {MAX_POINTS} points with rising x, each two "
                f"numbers in {limits}"
            )
    return None


def _find_excess(settings: Mapping[str, Any]) -> str | None:
    """A setting that would make libmypaint draw dabs endlessly, or None."""
    for name, most in MOST_DABS.items():
        if name not in settings:
            continue
        curves = settings[name]["inputs"].values()
        largest = settings[name]["base_value"] + sum(max((y for _, y in points), default=0) for points in curves)
        if largest > most:
            return f"has {name} of up to {largest:g}; expected 0…{most}, the range that libmypaint names"
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MAX_VALUE


def _is_curve(points: Any) -> bool:
    if not isinstance(points, list) or len(points) == 1 or len(points) > MAX_POINTS:
        return False
    if not all(isinstance(point, list) and len(point) == 2 and all(map(_is_number, point)) for point in points):
        return False
    return all(a[0] <= b[0] for a, b in itertools.pairwise(points))
