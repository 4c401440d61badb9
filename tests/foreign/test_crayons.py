"""An engine that another package brings: found by its entry point, and known wherever engines are."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest

import spiral
from spiral.configuration.files import load_config
from spiral.configuration.paths import files_of
from spiral.doctor import examine
from spiral.engines import EngineMissingError, create, registry
from spiral.engines.debian_packages import debian_packages
from spiral.engines.ink import leaves_ink
from spiral.v1 import info_pb2, info_pb2_grpc, program_pb2, renderer_pb2, renderer_pb2_grpc
from spiral.wire import rpc
from spiral.wire.contract import description_from_proto, settings_to_proto
from spiral.wire.tensors import decode, encode
from tests.support.processes import PATIENCE_S, start
from tests.support.rollouts import Stream

PACKAGE = Path(__file__).parent / "crayons"
ACTIONS = np.array([[0, 9, 0], [1, 63, 2], [2, 20, 1]], np.int32)


def distribution(folder: Path, name: str, engine: str, target: str) -> None:
    """What pip leaves of a package: its metadata, with one entry point."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[spiral.engines]\n{engine} = {target}\n")


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where packages are installed, for this process and those that it starts."""
    folder = tmp_path / "packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
    yield folder
    for module in [name for name in sys.modules if name.partition(".")[0] == "crayons"]:
        del sys.modules[module]
    forget()


@pytest.fixture
def crayons(packages: Path) -> Path:
    """The package as its own pyproject.toml has it installed, and another one that is broken."""
    shutil.copytree(PACKAGE / "crayons", packages / "crayons")
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]
    for engine, target in project["entry-points"][registry.GROUP].items():
        distribution(packages, project["name"], engine, target)
    distribution(packages, "smudges", "smudges", "no_such_module:PLUGIN")
    forget()
    return packages


def forget() -> None:
    """Look for engines anew: an installed package is found by the next process."""
    registry._entry_points.cache_clear()
    registry.plugin.cache_clear()


BROKEN = (
    'engine "smudges": the package smudges 1.0 can\'t be imported: '
    "ModuleNotFoundError: No module named 'no_such_module'"
)


@pytest.mark.usefixtures("crayons")
def test_the_renderer_serves_it_and_leaves_out_one_that_is_broken(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/r"
    process = start("renderer", address, tmp_path / "log")
    with rpc.connect(address) as channel:
        info = info_pb2_grpc.InfoServiceStub(channel).GetInfo(info_pb2.GetInfoRequest(), timeout=30)
        assert list(info.engines) == ["mypaint", "scenes", "crayons"]
        stub, settings = renderer_pb2_grpc.RendererServiceStub(channel), settings_to_proto("crayons", {"side": 32})
        answer = stub.DescribeEngine(renderer_pb2.DescribeEngineRequest(engine=settings), timeout=30)
        described = description_from_proto(answer)
        assert (described.spec.names, described.observation_shape) == (("kind", "place", "grey"), (32, 32, 1))
        program = program_pb2.Program(engine=settings, actions=encode(ACTIONS))
        (drawn,) = stub.Render(renderer_pb2.RenderRequest(program=program, scale=2), timeout=30)
        right = spiral.render(spiral.Program("crayons", {"side": 32}, ACTIONS), scale=2)[0]
        np.testing.assert_array_equal(decode(drawn.frame, "frame", np.uint8, (64, 64, 1)), right)
        stream = Stream(channel).open(2, {"side": 32}, engine="crayons")
        assert (stream.reset() == 255).all()
        with pytest.raises(grpc.RpcError) as refused:
            stub.DescribeEngine(renderer_pb2.DescribeEngineRequest(engine=settings_to_proto("smudges", {})), timeout=30)
        assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
        assert refused.value.details() == BROKEN
    learner = [sys.executable, "-m", "spiral.services.learner", "--config=demo", "--set=engine.name=smudges"]
    places = {"listen": "l", "learner-data": "d", "discriminator": "j", "renderer": "r"}
    flags = [f"--{flag}=unix:{tmp_path}/{name}" for flag, name in places.items()]
    ended = subprocess.run(
        [*learner, *flags, f"--run-dir={tmp_path}/run"], capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )
    assert ended.returncode == 2
    assert f"learner: engine: the renderer refuses: {BROKEN}" in ended.stderr.splitlines()
    process.kill()
    process.wait()
    assert f"an engine is left out: {BROKEN}" in (tmp_path / "log").read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("crayons")
def test_the_renderer_keeps_its_promises_with_it(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/r"
    process = start("renderer", address, tmp_path / "log")
    command = [sys.executable, "-m", "spiral.cli.main", "conformance", "renderer", "--target", address]
    done = subprocess.run(
        [*command, "--engine", "crayons", "--level", "extended"], capture_output=True, text=True, check=False
    )
    process.kill()
    process.wait()
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.usefixtures("crayons")
def test_doctor_names_it_and_says_what_is_wrong_with_one_that_is_broken(tmp_path: Path) -> None:
    found = itertools.takewhile(lambda finding: finding.subject != "sockets", examine(tmp_path))
    engines = {finding.subject: (finding.state, finding.text) for finding in found}
    assert engines["crayons"] == ("good", "crayons 1.0")
    assert engines["smudges"] == ("bad", BROKEN)
    assert engines["libmypaint"][0] == "good"


GYM = """
import warnings
import gymnasium, numpy as np
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    import spiral.gym
print(*(str(warning.message) for warning in said if "engine" in str(warning.message)))
from gymnasium.utils.env_checker import check_env
env = gymnasium.make("crayons/Crayons-v0", render_mode="rgb_array", num_actions=4)
check_env(env.unwrapped)
env.reset(seed=1)
gains = [env.step(env.action_space.sample())[1] for _ in range(4)]
seen, _ = env.reset(seed=1)
assert set(seen) == {"canvas", "target", "time"}, "no place of the pen, for an action may leave it nowhere"
apart = np.sqrt(np.square((seen["canvas"].astype(float) - seen["target"]) / 255).mean())
after, gain, _, _, info = env.step(np.array([2, 9, 0], np.int32))
assert abs(gain - (apart - np.sqrt(np.square((after["canvas"].astype(float) - after["target"]) / 255).mean()))) < 1e-12
assert env.step(np.array([1, 0, 0], np.int32))[4]["mask"].tolist() == [True, False, False]
program = env.unwrapped.program()
assert program.engine == "crayons" and (spiral.render(program)[0] == after["canvas"]).all()
many = gymnasium.make_vec("crayons/Crayons-v0", num_envs=3)
assert many.reset(seed=0)[0]["canvas"].shape == (3, 16, 16, 1)
assert isinstance(gymnasium.make("spiral/MyPaint-v0").unwrapped, spiral.gym.MyPaintEnv)
"""


@pytest.mark.usefixtures("crayons")
def test_gymnasium_makes_an_environment_of_it() -> None:
    done = subprocess.run([sys.executable, "-c", GYM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == BROKEN


@pytest.mark.usefixtures("crayons")
def test_a_program_replays_and_a_run_knows_its_files(tmp_path: Path) -> None:
    greys = tmp_path / "soft.txt"
    greys.write_text("200 210")
    engine = ["engine.name=crayons", f"engine.settings={{greys: {os.path.relpath(greys)}}}"]
    config = load_config("demo", engine)
    assert files_of(config.model_dump()) == {"engine.settings.greys": str(greys)}
    program = spiral.Program("crayons", config.engine.settings, np.array([[2, 0, 1]]))
    assert spiral.render(spiral.Program.from_json(program.to_json()))[0][0, :, 0].tolist() == [210] * 16
    assert leaves_ink(create("crayons", {}))
    assert "fonts-dejavu-core" in registry.plugin("crayons").debian_packages
    with pytest.raises(EngineMissingError, match="smudges"):
        debian_packages()  # an image is not built without what an engine needs


@pytest.mark.parametrize(
    ("brought", "engine", "sentence"),
    [
        ({"a": "crayons.plugin:PLUGIN", "b": "b:P"}, "crayons", "2 packages have an engine of this name, a 1.0 and b"),
        ({"a": "a:P"}, "mypaint", "2 packages have an engine of this name, spiral-painter and a 1.0; uninstall all"),
        ({"a": "crayons.plugin:CrayonsPlugin"}, "crayons", "the package a 1.0 brings ABCMeta; expected an instance of"),
        ({"a": "crayons.plugin:PLUGIN"}, "pencils", 'the package a 1.0 has a plugin of an engine "crayons" under'),
    ],
)
def test_a_package_that_brings_something_wrong_is_refused_with_a_sentence(
    packages: Path, brought: dict[str, str], engine: str, sentence: str
) -> None:
    shutil.copytree(PACKAGE / "crayons", packages / "crayons")
    for package, target in brought.items():
        distribution(packages, package, engine, target)
    forget()
    with pytest.raises(EngineMissingError, match=f'^engine "{engine}": {sentence}'):
        create(engine, {})
    if engine != "mypaint":
        assert create("mypaint", {}).name == "mypaint", "the others are as they were"
