"""The wheel stands alone: stubs, native module and data are in it, and nothing else at the top."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from spiral.models import DISCRIMINATOR

ROOT = Path(__file__).parents[2]
BUILD_REQUIREMENTS = ("setuptools", "grpc_tools", "mypy_protobuf", "cffi", "pip")
PROGRAM = """
import sys
import numpy as np
import spiral, spiral.services.renderer, spiral.v1.renderer_pb2, spiral.v1.renderer_pb2_grpc
found = (spiral, spiral.services.renderer, spiral.v1.renderer_pb2)
assert all(module.__file__.startswith(sys.argv[1]) for module in found)
picture = spiral.render(spiral.Program(engine="mypaint", settings={}, actions=np.array([[1, 900, 40, 2, 6]])))
print(picture.shape, int(picture.min()))
"""

BESIDE = """
import importlib, sys
import services
for name in ("renderer", "actor", "learner", "discriminator"):
    importlib.import_module(f"spiral.services.{name}.__main__")
assert {name for name in sys.modules if name.split(".")[0] == "services"} == {"services"}
print(services.OWNER)
"""

MODELS = f"""
import json, runpy, sys
from spiral.models import bundled_models
assert all(str(folder).startswith(sys.argv[1]) for folder in bundled_models().values())
print(json.dumps(runpy.run_path({str(ROOT / "tests" / "support" / "bundled_models.py")!r})["darkest"]()))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    missing = [name for name in BUILD_REQUIREMENTS if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"building a wheel needs {', '.join(missing)} here, as [build-system] of pyproject.toml lists")
    source = tmp_path_factory.mktemp("source") / "spiral"
    # What a clone holds: nothing that was built, so that the build cannot lean on it.
    built = shutil.ignore_patterns("*.so", "__pycache__")
    for folder in ("protos", "spiral"):
        shutil.copytree(ROOT / folder, source / folder, ignore=built)
    shutil.rmtree(source / "spiral" / "v1", ignore_errors=True)
    for file in ROOT.iterdir():
        if file.is_file() and not file.name.startswith("."):
            shutil.copy(file, source)
    target = tmp_path_factory.mktemp("wheel")
    command = ["pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", "-w", str(target), str(source)]
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (made,) = target.glob("*.whl")
    return made


def test_one_name_is_at_the_top(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"spiral"}
    for path in ROOT.glob("protos/spiral/v1/*.proto"):
        assert f"spiral/v1/{path.stem}_pb2.py" in names
        assert f"spiral/v1/{path.stem}_pb2.pyi" in names
    for path in [
        *ROOT.glob("spiral/presets/*.yaml"),
        *ROOT.glob("spiral/**/*.npz"),
        *ROOT.glob("spiral/**/*.safetensors"),
    ]:
        assert (str(path.relative_to(ROOT)) in names) == (path.name != DISCRIMINATOR), path
    assert "spiral/py.typed" in names
    assert not [name for name in names if name.endswith((".c", ".h", ".proto"))]


def _run(code: str, wheel: Path, place: Path) -> str:
    """What a program says that sees what the wheel brings before the checkout."""
    site = place / "site"
    zipfile.ZipFile(wheel).extractall(site)
    command = [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(site)!r})\n{code}", str(site)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=place, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_wheel_paints_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    said = _run(PROGRAM, wheel, tmp_path)
    assert said.startswith("(1, 64, 64, 1) "), said
    assert int(said.split(")")[1]) < 128


def test_it_leaves_the_name_services_to_others(wheel: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "site" / "services"
    theirs.mkdir(parents=True)
    (theirs / "__init__.py").write_text('OWNER = "another distribution"\n')
    assert _run(BESIDE, wheel, tmp_path) == "another distribution\n"


def test_every_model_of_a_wheel_paints(wheel: Path, tmp_path: Path) -> None:
    darkest = json.loads(_run(MODELS, wheel, tmp_path))
    assert darkest.keys() == {folder.name for folder in ROOT.glob("spiral/models/*") if (folder / "card.yaml").exists()}
    assert all(value < 255 for value in darkest.values()), darkest
