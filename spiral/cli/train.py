"""``spiral train``: start or resume a run on this machine."""

from __future__ import annotations

import os
from typing import Annotated, Literal

import typer

from spiral.cli import options
from spiral.cli.evaluate import FEWEST


def train(
    preset: Annotated[
        str | None,
        typer.Option(
            help="What to learn: demo, mnist or another preset of spiral/presets, or a YAML file "
            "(default: the run's own; demo for a new run).",
            metavar="NAME|FILE",
            show_default=False,
        ),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(help="Name of the run (default: the preset's name).", metavar="NAME", show_default=False),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Begin a new run with a model's weights and settings: a model that ships (`spiral models list`), or a "
            "folder. --set may make its programs longer or shorter (num_actions=12), its places finer "
            "(engine.settings.grid=32) and its network wider (policy.width=512), and add a glimpse "
            "(policy.glimpse=15) or a patch (policy.patch=3). If the discriminator is new, it first learns alone.",
            metavar="MODEL",
            show_default=False,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="One setting on top of the preset, for example learner.reuse=2; may be repeated.",
            metavar="KEY=VALUE",
            show_default=False,
        ),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=100_000, help="Train for this many minutes (default: until stopped).", show_default=False
        ),
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Train until the whole run has learned from this many frames (default: until stopped).",
            show_default=False,
        ),
    ] = None,
    in_process: Annotated[
        bool, typer.Option("--in-process", help="Run everything in this process, in lockstep: repeatable bit for bit.")
    ] = False,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Begin again from nothing; the old run is kept beside it under another name."),
    ] = False,
    restart_schedule: Annotated[
        bool,
        typer.Option(
            "--restart-schedule",
            help="Restart the learning rate, and whatever else falls over the run, so that it falls until the end of "
            "this start (default: it continues from where it was).",
        ),
    ] = False,
    threads: Annotated[
        list[str] | None,
        typer.Option(
            help="Threads of a service, 1 to 256, for example learner=2; may be repeated "
            "(default: the run's own; for a new run this machine's cores are split between the services).",
            metavar="SERVICE=N",
            show_default=False,
        ),
    ] = None,
    device: options.Device = "auto",
    precision: Annotated[
        Literal["auto", "fp32", "bf16"],
        typer.Option(
            help="Precision of learner and discriminator; bf16 is mixed precision. auto: the precision that the run "
            "began with; a new run measures which is faster here."
        ),
    ] = "auto",
    paintings: Annotated[
        int,
        typer.Option(
            "--judge",
            min=0,
            max=100_000,
            help="Paintings for the evaluation at the end, at least 65; 0: no evaluation. Figures are comparable "
            "only if they have the same number of paintings; results use 4,096.",
        ),
    ] = 4096,
    runs: options.Runs = options.RUNS,
) -> int:
    """Learn to paint: start a run, or resume it where it was.

    Starts renderer, actor, learner and discriminator on this machine, shows their progress, and names the pictures to
    open at the end. Ctrl-C stops at any moment: a checkpoint is saved, and the pictures are still made and named.
    """
    if minutes is not None and frames is not None:
        raise ValueError("--minutes and --frames: a run has one limit; leave one of them out")
    if 0 < paintings < FEWEST:
        raise ValueError(f"--judge: {paintings} paintings are too few for a figure; expected 0 or at least {FEWEST}")
    if model is not None and preset is not None:
        raise ValueError("--from and --preset: a model brings its own settings; leave one of them out")
    from spiral.models import find_model  # noqa: PLC0415

    # gRPC reads this once, when it is imported. Otherwise its messages about closed connections break the display.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    from spiral.launcher.options import Computing, TrainOptions  # noqa: PLC0415
    from spiral.launcher.training import train_run  # noqa: PLC0415

    return train_run(
        TrainOptions(
            runs=runs,
            preset=preset,
            name=run,
            settings=tuple(settings or ()),
            minutes=minutes,
            frames=frames,
            in_process=in_process,
            fresh=fresh,
            restart_schedule=restart_schedule,
            model=None if model is None else find_model(model),
            threads=tuple(threads or ()),
            computing=Computing(device, precision),
            paintings=paintings,
        )
    )
