"""Writes what users of a revision would have on their disks, to be kept as an archive: ``make.py ARCHIVE``.

It is run with the code of the revision that is kept, not with today's. ``test_released_files.py`` reads the archive.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event

import numpy as np
import safetensors.torch

from spiral.configuration.files import load_config, preset_names
from spiral.configuration.schema import RunConfig
from spiral.engines import create
from spiral.engines.programs import Program, render
from spiral.launcher.lockstep import run_lockstep
from spiral.runs.checkpoints import CheckpointStore, State
from spiral.runs.directory import Run
from spiral.runs.limits import Limits

TINY = (
    "data=mnist-sample",
    "actor.batch=8",
    "learner.batch=16",
    "policy.width=16",
    "policy.pooled_size=8",
    "discriminator.channels=[4, 8]",
    "engine.settings.grid=8",
)
RUNS: dict[str, tuple[str, tuple[str, ...]]] = {
    "clip": ("demo", (*TINY, "num_actions=3")),
    "decoupled": ("mnist-reconstruct", (*TINY, "num_actions=4", "learner.queue=4")),
    "unrolls": ("mnist-long", (*TINY, "num_actions=7", "unroll=3", "discriminator.replay=3", "policy.noise=2")),
    "services": ("demo", (*TINY, "num_actions=3", "learner.queue=4", "policy.noise=2")),
    "vtrace": (
        "demo",
        (
            *TINY,
            "num_actions=3",
            "learner.off_policy=vtrace",
            "learner.optimiser=rmsprop",
            "learner.reward=final",
            "learner.reward_scale=deviation",
            "learner.blank_penalty=3",
            "learner.stroke_penalty=0.1",
            "discriminator.objective=wgan-gp",
        ),
    ),
}
"""Runs: the preset and the settings on top of it."""
MORE = 2
"""Batches from what is kept of a run to the weights that are kept beside it, for comparison."""

SETTINGS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("demo", ("seed=7", "num_actions=9", "unroll=4")),
    ("demo", ("data=folder:/pictures",)),
    ("demo", ("engine.settings.brush=classic/dry_brush", "engine.settings.brush_sizes=[1, 2.5, 40]")),
    ("demo", ("engine.settings={brush: classic/pen, view: 32, colour: true}",)),
    ("demo", ("policy.width=512", "policy.pooled_size=8", "policy.noise=4", "policy.blind=true", "policy.moves=first")),
    ("demo", ("policy.patch=3", "policy.glimpse=15", "policy.moves=alternate")),
    ("demo", ("actor.batch=16", "actor.groups=3", "learner.queue=4", "learner.queue_bytes=2097152")),
    ("demo", ("learner.max_lag=9", "learner.clip=0.1", "learner.reuse=3", "learner.minibatches=2")),
    ("demo", ("learner.off_policy=none", "learner.optimiser=rmsprop", "learner.gradient_clip=1")),
    ("demo", ("learner.off_policy=vtrace", "learner.rho_bar=.inf", "learner.c_bar=1.5", "learner.lambda=0.9")),
    ("demo", ("learner.off_policy=decoupled", "learner.rho_bar=2", "learner.clip=0.3")),
    ("demo", ("learner.reward=final", "learner.discount=0.99", "learner.reward_scale=deviation")),
    ("demo", ("learner.blank_penalty=1", "learner.stroke_penalty=0.1", "learner.length_penalty=0.01")),
    ("demo", ("learner.learning_rate=1e-4", "learner.learning_rate_floor=1", "learner.learning_rate_frames=5")),
    ("demo", ("learner.value_cost=1", "learner.entropy_cost=0.1", "learner.entropy_costs={flag: 0.2}")),
    ("demo", ("learner.entropy_floor=0", "learner.entropy_frames=2000000", "learner.average=0.99")),
    ("demo", ("learner.checkpoint_s=3", "learner.sample_s=5", "learner.keep=2", "learner.hold_batches=300")),
    ("demo", ("learner.terms={discriminator: 2}",)),
    ("demo", ("discriminator.r1=2", "discriminator.r1_every=4", "discriminator.batch=32")),
    ("demo", ("discriminator.objective=wgan-gp", "discriminator.gradient_penalty=5", "discriminator.centring=0")),
    ("demo", ("discriminator.objective=spectral-norm", "discriminator.channels=[8, 8]")),
    ("demo", ("discriminator.replay=20", "discriminator.updates_per_batch=5", "discriminator.update_first=false")),
    ("demo", ("discriminator.learning_rate=1e-4", "discriminator.betas=[0.0, 0.9]")),
    ("mnist-reconstruct", ("learner.hindsight=0", "learner.paintings_per_target=1")),
    ("mnist-reconstruct", ("discriminator.complement=halves",)),
    ("mnist-reconstruct", ("discriminator.terms=[l2, colour-emd]", "learner.terms={l2: 30, colour-emd: 1}")),
    ("mnist-reconstruct", ("discriminator.kind=l2", "learner.terms={l2: 100}")),
    ("paper-mnist", ("learner.discount=0.9", "learner.learning_rate=2e-4")),
)
"""Lines of ``--set`` by preset; every key of the schema is in one of them."""

PROGRAMS: dict[str, dict[str, object]] = {
    "pen": {"brush": "classic/pen", "grid": 16, "brush_sizes": [1, 2, 4, 8], "view": 32},
    "dry_brush": {"brush": "classic/dry_brush", "grid": 32, "brush_sizes": [1, 2, 4, 8, 12, 24]},
    "colour": {"brush": "classic/pen", "grid": 16, "brush_sizes": [2, 16], "colour": True},
    "compound": {
        "brush": "classic/pen",
        "grid": 16,
        "brush_sizes": [0.7, 1],
        "pressure": False,
        "interface": "compound",
    },
    "legacy": {"brush": "classic/charcoal", "grid": 16, "legacy_move": True, "legacy_reset_mask": True},
}
"""Programs: the engine's settings."""


def make_run(folder: Path, name: str) -> None:
    """A run after a few batches; ``after.safetensors`` holds what it had learnt MORE batches later, in lockstep."""
    preset, settings = RUNS[name]
    config, run = load_config(preset, settings), Run(folder / name)
    batch_frames = config.learner.batch * min(config.num_actions, config.unroll)
    if name == "services":
        train_by_services(folder, name)
    else:
        run.path.mkdir(parents=True)
        run.config_file.write_text(config.to_yaml())
        train(config, run, 3 * batch_frames)
    kept = folder / f"{name}.kept"
    shutil.copytree(run.path, kept)
    train(config, run, newest(run, "learner").counters["frames"] + MORE * batch_frames)
    learner, discriminator = newest(run, "learner"), newest(run, "discriminator")
    groups = {f"learner/{group}": learner.tensors[group] for group in ("policy", "average", "optimiser")}
    groups["discriminator/network"] = discriminator.tensors["network"]
    tensors = {f"{group}/{key}": value for group, values in groups.items() for key, value in values.items()}
    shutil.rmtree(run.path)
    kept.rename(run.path)
    for made_on_the_way in ("samples", "logs", "sockets", "pictures", "evaluation", "matplotlib"):
        shutil.rmtree(run.path / made_on_the_way, ignore_errors=True)
    for snapshot in run.snapshots.iterdir():
        if snapshot.stem != "end":
            snapshot.unlink()
    for service in ("learner", "discriminator"):
        for checkpoint in sorted(run.checkpoints(service).glob("checkpoint-*"))[:-1]:
            shutil.rmtree(checkpoint)
    frames = str(learner.counters["frames"])
    safetensors.torch.save_file(tensors, run.path / "after.safetensors", {"frames": frames})


def train(config: RunConfig, run: Run, frames: int) -> None:
    """Train in lockstep until so many frames are learnt in all."""
    run_lockstep(config, run, Limits(frames=frames), threads=1, stopping=Event(), on_record=lambda record: None)


def newest(run: Run, service: str) -> State:
    """What the newest checkpoint of a service holds."""
    checkpoint = CheckpointStore(run.checkpoints(service), 3).latest()
    assert checkpoint is not None
    return checkpoint.state


def train_by_services(folder: Path, name: str) -> None:
    """Train for some seconds with the command that users type."""
    preset, settings = RUNS[name]
    command = [
        sys.executable,
        "-m",
        "spiral.cli.main",
        "train",
        f"--runs={folder}",
        f"--run={name}",
        f"--preset={preset}",
    ]
    arguments = [f"--set={setting}" for setting in settings]
    subprocess.run([*command, *arguments, "--frames=2000", "--judge=0"], check=True, stdout=subprocess.DEVNULL)


def make_programs(folder: Path) -> None:
    """A program of random actions for each settings, and its canvases after each action."""
    folder.mkdir()
    for name, settings in PROGRAMS.items():
        engine, rng = create("mypaint", settings), np.random.default_rng(1)
        actions = np.stack([rng.integers(0, size, 8) for size in engine.spec.sizes], -1).astype(np.int32)
        actions[:, 0] = rng.random(8) < 0.75
        version = str(getattr(engine, "version", ""))
        program = Program("mypaint", settings, actions, seed=3, engine_version=version)
        program.save(folder / f"{name}.json")
        np.savez_compressed(folder / f"{name}.npz", frames=render(program, every=1), large=render(program, scale=3))


def make_configs(folder: Path) -> None:
    """What presets and lines of ``--set`` came to, every key written out."""
    folder.mkdir()
    for preset in preset_names():
        (folder / f"{preset}.yaml").write_text(load_config(preset).to_yaml())
    lines = [
        json.dumps({"preset": preset, "set": settings, "config": load_config(preset, settings).to_yaml()})
        for preset, settings in SETTINGS
    ]
    (folder / "set.jsonl").write_text("\n".join(lines) + "\n")


def main(archive: Path) -> None:
    """Make everything and pack it."""
    with TemporaryDirectory() as directory:
        root = Path(directory)
        for name in RUNS:
            make_run(root / "runs", name)
        make_programs(root / "programs")
        make_configs(root / "configs")
        with tarfile.open(archive, "w:xz") as packed:
            for path in sorted(root.rglob("*")):
                if path.is_file():
                    packed.add(path, str(path.relative_to(root)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
