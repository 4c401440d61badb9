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
            "(default: the run's own, or demo for a new run).",
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
            help="Begin a new run with a model's weights and settings: one that ships (`spiral models list`), or a "
            "folder; its programs may become longer or shorter (--set num_actions=12), its places finer (--set "
            "engine.settings.grid=32), its network wider (--set policy.width=512), and it may begin to see from its "
            "pen (--set policy.glimpse=15) and to look at its places (--set policy.patch=3). "
            "A new discriminator learns alone at first.",
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
            min=0.01, max=100_000, help="Train for so many minutes (default: until stopped).", show_default=False
        ),
    ] = None,
    frames: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Train until so many frames have been learnt over the whole run (default: until stopped).",
            show_default=False,
        ),
    ] = None,
    in_process: Annotated[
        bool, typer.Option("--in-process", help="Everything in this process, in lockstep: repeatable bit for bit.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew; what the run had is kept under another name beside it.")
    ] = False,
    restart_schedule: Annotated[
        bool,
        typer.Option(
            "--restart-schedule",
            help="Let the learning rate, and what else falls over the run, begin anew and fall until the end of this "
            "start (default: they go on from where they were).",
        ),
    ] = False,
    threads: Annotated[
        list[str] | None,
        typer.Option(
            help="Threads of a service, for example learner=2, 1 to 256; may be repeated "
            "(default: the run's own, or this machine's cores split between the services).",
            metavar="SERVICE=N",
            show_default=False,
        ),
    ] = None,
    device: options.Device = "auto",
    precision: Annotated[
        Literal["auto", "fp32", "bf16"],
        typer.Option(
            help="What learner and discriminator train in, bf16 being mixed precision; auto: as the run began, or "
            "what is faster here."
        ),
    ] = "auto",
    paintings: Annotated[
        int,
        typer.Option(
            "--judge",
            min=0,
            max=100_000,
            help="Paintings to judge at the end, at least 65; 0: none. 4,096 compare with others.",
        ),
    ] = 4096,
    runs: options.Runs = options.RUNS,
) -> int:
    """Learn to paint: start a run, or resume it where it was.

    Starts renderer, actor, learner and discriminator on this machine, shows how far they are, and ends by naming the
    pictures to open. Ctrl-C stops at any moment, with a checkpoint and the same ending.
    """
    if minutes is not None and frames is not None:
        raise ValueError("--minutes and --frames: a run has one limit; leave one of them out")
    if 0 < paintings < FEWEST:
        raise ValueError(f"--judge: {paintings} paintings are too few for a figure; expected 0 or at least {FEWEST}")
    if model is not None and preset is not None:
        raise ValueError("--from and --preset: a model brings its own settings; leave one of them out")
    from spiral.models import find_model  # noqa: PLC0415

    # Read once, when gRPC is imported; its remarks on connections that end would run through the display.
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
