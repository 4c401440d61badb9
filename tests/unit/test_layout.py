"""The house rules that a machine can check: who imports whom, what imports without torch, how long a file may be."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.mutation.modules import MODULES

ROOT = Path(__file__).parents[2]
LONGEST_FILE = 350
HEAVIEST_CHECKOUT_MB = 45
FORBIDDEN_NAMES = {"utils.py", "common.py", "helpers.py", "misc.py"}
SOURCES = sorted(path for path in (ROOT / "spiral").rglob("*.py") if not path.is_relative_to(ROOT / "spiral" / "v1"))
SERVICES = ROOT / "spiral" / "services"
LAUNCHER = ROOT / "spiral" / "launcher"


def imported(path: Path) -> Iterator[str]:
    """Full names of all modules that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_is_something_to_check() -> None:
    assert len(SOURCES) > 50


def owner(path: Path) -> str:
    """Who a source belongs to: one service, the launcher, or the library."""
    if path.is_relative_to(SERVICES):
        return ".".join(path.relative_to(ROOT).parts[:3])
    return "spiral.launcher" if path.is_relative_to(LAUNCHER) else "the library"


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_the_library_imports_no_service_and_a_service_no_other_and_the_launcher_all(path: Path) -> None:
    mine = owner(path)
    allowed = "spiral.launcher" if path == ROOT / "spiral" / "cli" / "train.py" else mine
    foreign = {
        name
        for name in imported(path)
        if name.startswith(("spiral.services.", "spiral.launcher.")) and not name.startswith(f"{allowed}.")
    }
    assert not foreign or mine == "spiral.launcher"


ENGINES = ROOT / "spiral" / "engines"


@pytest.mark.parametrize("engine", [folder.name for folder in ENGINES.iterdir() if (folder / "plugin.py").exists()])
def test_an_engine_is_known_by_its_folder_alone(engine: str) -> None:
    module = f"spiral.engines.{engine}"
    outside = [path for path in SOURCES if not path.is_relative_to(ENGINES / engine)]
    assert not [relative(path) for path in outside for name in imported(path) if f"{name}.".startswith(f"{module}.")]


def test_json_is_written_in_one_place() -> None:
    """Python's writer puts NaN where no other reader takes it; pydantic's puts null."""
    sources = [*SOURCES, *(ROOT / "benchmarks").glob("*.py")]
    writing = [relative(path) for path in sources if re.search(r"json\.dumps?\(", path.read_text())]
    assert writing == ["spiral/values/strict_json.py"]


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_files_are_short_and_named_for_what_they_hold(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_FILE
    assert path.name not in FORBIDDEN_NAMES


@pytest.mark.parametrize(
    "module",
    [
        "spiral.services.renderer.__main__",
        "spiral.launcher.run_services",
        "spiral.cli.main",
        "spiral.configuration.files",
        "spiral.engines.mypaint",
        "spiral.engines.scenes",
        "spiral.gym",
        "spiral.engines.programs",
        "spiral.runs.directory",
    ],
)
def test_it_imports_without_torch(module: str) -> None:
    program = f"import sys; sys.modules['torch'] = None; import {module}"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_command_line_imports_nothing_heavy() -> None:
    program = "import sys, spiral.cli.main; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "grpc", "pydantic", "matplotlib", "yaml"} & set(done.stdout.split())


def room(module: str) -> str:
    """The folder of the library that a module lies in, or its own name where it lies loose."""
    return ".".join(module.split(".")[:2])


def test_rooms_import_one_another_in_one_direction() -> None:
    """A circle would mean that neither of its rooms can be read without the other."""
    arrows: dict[str, set[str]] = {}
    for path in SOURCES:
        here = room(".".join(path.relative_to(ROOT).with_suffix("").parts))
        there = {room(name) for name in imported(path) if name.startswith("spiral.")}
        arrows.setdefault(here, set()).update(there - {here, "spiral.v1"})
    list(TopologicalSorter(arrows).static_order())  # CycleError names the circle


def test_unit_tests_mirror_the_source_tree_and_shared_helpers_have_a_folder() -> None:
    units = ROOT / "tests" / "unit"
    folders = {path.parent.relative_to(units) for path in units.rglob("*.py")}
    assert {str(folder) for folder in folders if not (ROOT / "spiral" / folder).is_dir()} == set()
    assert [path.name for path in (ROOT / "tests").glob("*.py")] == ["conftest.py"]


def test_the_repository_is_light() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    files = [ROOT / name for name in listed.split("\0") if name]
    assert sum(file.stat().st_size for file in files if file.is_file()) < HEAVIEST_CHECKOUT_MB * 1_000_000


def test_mutants_are_made_of_modules_that_exist() -> None:
    assert [name for name in MODULES if not (ROOT / name).is_file()] == []
