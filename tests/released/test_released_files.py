"""What users had on their disks before goes on as it did: runs, programs, configurations, lines of ``--set``.

``first.tar.xz`` was written by ``make.py`` with the code of f89dff0. The archive is never made anew for a change here:
a test that fails says that somebody's run or picture is lost.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import safetensors
import yaml
from numpy.typing import NDArray

from spiral.configuration.files import load_config
from spiral.engines.programs import Program, render
from spiral.launcher.lockstep import run_lockstep
from spiral.runs.checkpoints import CheckpointStore
from spiral.runs.directory import Run
from spiral.runs.limits import Limits

ARCHIVE = Path(__file__).with_name("first.tar.xz")
RUNS = ("clip", "decoupled", "services", "unrolls", "vtrace")
NOT_CHOSEN = {
    "rho_bar": 1.0,
    "c_bar": 1.0,
    "clip": 0.2,
    "gradient_penalty": 10.0,
    "centring": 0.001,
    "r1": 1.0,
    "r1_every": 1,
}
"""What files said of objectives that were not chosen. It counted for nothing, and today's files leave it out."""
PROGRAMS = ("pen", "dry_brush", "colour", "compound", "legacy")


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("released")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.mark.parametrize("name", RUNS)
def test_a_run_goes_on_as_it_did(released: Path, name: str) -> None:
    """The weights after two more batches, but for the rounding of another processor, are those of then."""
    run = Run(released / "runs" / name)
    expected, learnt = read_tensors(run.path / "after.safetensors")
    since = ["hold_out_validation=true"] if name == "clip" else []  # as presets have it, by which clusters start again
    found = run_lockstep(
        load_config(str(run.config_file), since),
        run,
        Limits(frames=int(learnt["frames"])),
        threads=1,
        stopping=Event(),
        on_record=lambda record: None,
    )
    assert "resumed checkpoint-0000" in found
    assert not run.config().hold_out_validation
    for service in ("learner", "discriminator"):
        checkpoint = CheckpointStore(run.checkpoints(service), 3).latest()
        assert checkpoint is not None
        for path, tensor in expected.items():
            owner, group, key = path.split("/")
            if owner == service:
                np.testing.assert_allclose(
                    checkpoint.state.tensors[group][key].numpy(), tensor, rtol=2e-3, atol=2e-5, err_msg=path
                )


def read_tensors(path: Path) -> tuple[dict[str, NDArray[np.float32]], dict[str, str]]:
    """Tensors and notes of a safetensors file."""
    with safetensors.safe_open(path, "np") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118 (no dictionary)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_paints_what_it_did(released: Path, name: str) -> None:
    program = Program.load(released / "programs" / f"{name}.json")
    with pytest.warns(UserWarning, match="before digests"):
        painted = {"frames": render(program, every=1), "large": render(program, scale=3)}
    with np.load(released / "programs" / f"{name}.npz") as pictures:
        for key, images in painted.items():
            assert np.abs(images.astype(int) - pictures[key]).max() <= 1, key


def test_presets_written_out_in_full_mean_what_they_did(released: Path) -> None:
    """Presets may learn more since; a run's own file says everything, so it is never completed from a preset."""
    files = sorted((released / "configs").glob("*.yaml"))
    assert len(files) == 18
    for file in files:
        config = load_config(str(file))
        then, now = yaml.safe_load(file.read_text()), yaml.safe_load(config.to_yaml())
        chosen = {"learner": config.learner.objective, "discriminator": config.discriminator.objective}
        for path in missing(then, now):
            _, section, key = path.split(".")
            assert then[section][key] == NOT_CHOSEN[key], f"{file.name}{path}"
            assert key not in type(chosen[section]).model_fields, f"{file.name}{path}"
            assert key not in now[section], f"{file.name}{path}"


def test_lines_of_set_mean_what_they_did(released: Path, tmp_path: Path) -> None:
    lines = (released / "configs" / "set.jsonl").read_text().splitlines()
    assert len(lines) == 28
    for line in lines:
        entry = json.loads(line)
        whole = tmp_path / "run.yaml"
        whole.write_text(entry["config"])
        then = yaml.safe_load(entry["config"])
        keys = [setting.partition("=")[0].split(".") for setting in entry["set"]]
        now = yaml.safe_load(load_config(entry["preset"], entry["set"]).to_yaml())
        for key in keys:
            assert value_at(now, key) == value_at(then, key), entry["set"]
        load_config(str(whole))


def missing(then: object, now: object, path: str = "") -> list[str]:
    """Keys of ``then`` whose value is another one in ``now``."""
    if isinstance(then, dict) and isinstance(now, dict) and then:
        return [found for key, value in then.items() for found in missing(value, now.get(key), f"{path}.{key}")]
    return [] if then == now else [path]


def value_at(tree: object, keys: list[str]) -> object:
    """The value at a path of keys."""
    for key in keys:
        assert isinstance(tree, dict)
        tree = tree[key]
    return tree
