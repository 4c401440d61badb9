"""``spiral eval``: how well a run paints."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from spiral.cli import options
from spiral.outputs import refuse_to_overwrite, remember
from spiral.values import strict_json

if TYPE_CHECKING:
    from rich.table import Table

    from spiral.evaluation.report import Report

FEWEST = 65
"""The covariance of 64 features needs more than 64 pictures."""
FILES = ("evaluation.json", "evaluation.png")
ARROWS = {"lower": "↓", "higher": "↑", "": ""}


def evaluate(
    run: options.PainterRuns = None,
    model: options.Model = None,
    num: Annotated[
        int,
        typer.Option(
            max=100_000,
            help="Paintings, at least 65; figures are comparable only if they have the same number; results use 4,096.",
        ),
    ] = 4096,
    seed: options.Seed = 0,
    temperature: options.Temperature = 1.0,
    data: Annotated[
        str | None,
        typer.Option(
            help="Data set for targets and comparison (default: the one that it learned from).",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        Literal["test", "validation", "train"],
        typer.Option(
            help="Split that provides the targets, or the pictures to compare with. Quote test in results; use "
            "validation to choose between runs."
        ),
    ] = "test",
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for evaluation.json and evaluation.png. Default: evaluation/ in the run's folder; for a "
            "model NAME-evaluation in the current folder; for several runs NAMES-evaluation in --runs. The name also "
            "says the --data set, the split if it isn't test, and the temperature if it isn't 1.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the JSON object instead of a table.")] = False,
    inception: Annotated[
        bool,
        typer.Option(
            "--inception",
            help='Also measure the FID that papers quote: needs the extra "fid", 2,049 paintings and some minutes.',
        ),
    ] = False,
    inception_weights: Annotated[
        Path | None,
        typer.Option(
            help="File with the weights for --inception. It is a pickle, so use only a file from a source that you "
            "trust (default: torch-fidelity downloads it once).",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    device: options.Device = "auto",
    overwrite: options.Overwrite = False,
    runs: options.Runs = options.RUNS,
) -> None:
    """Evaluate a run or a model, each figure with its 95 % interval.

    Every run: diversity. Runs without targets: FID, KID, precision and recall against real pictures, with the features
    of a LeNet for gray sets and of a small encoder for color sets. Runs with targets: the error, also after each
    stroke, the similarity, and for digits how often a classifier reads the target's digit.
    """
    if num < FEWEST:
        raise ValueError(
            f"--num: {num} paintings are too few for the covariance of 64 features; expected at least {FEWEST}"
        )
    if inception_weights is not None and not inception:
        raise ValueError("--inception-weights: only --inception uses it; leave it out, or add --inception")
    names = run or []
    several = len(names) > 1
    what = _what(data, split, temperature)
    folder = out or _folder(names, model, runs, what)
    for each in (folder, *(runs / name / what for name in names)):
        if each.exists() and not each.is_dir():
            raise ValueError(f"out: {each} is a file; name a folder")
    if out is not None or len(names) != 1:  # else it is in the run's own folder
        refuse_to_overwrite([folder / name for name in FILES], overwrite)
    options.compute_with_one_thread()
    who: list[str | None] = [*names] or [None]  # None: a model
    found = [(name, options.find_painter(name, model, runs)) for name in who]

    from spiral.computing.devices import choose_device  # noqa: PLC0415
    from spiral.evaluation.inception import Inception  # noqa: PLC0415
    from spiral.evaluation.runs import evaluate_run  # noqa: PLC0415
    from spiral.evaluation.seeds import over_runs  # noqa: PLC0415
    from spiral.models import with_torch  # noqa: PLC0415

    where = choose_device(device)
    painters = [(name, with_torch.load(each, where, temperature)) for name, each in found]
    network = Inception.load(where, inception_weights) if inception else None
    if names:
        # matplotlib reads this when it is imported; otherwise it would write its list of fonts to the home directory.
        os.environ.setdefault("MPLCONFIGDIR", str(runs / names[0] / "matplotlib"))
    reports = []
    for name, painter in painters:
        called, trained = name or Path(model or "").name, painter
        if data is not None:
            called, trained = f"{called} before {data}", painter.before(data)
        reports.append(evaluate_run(called, trained, num, seed, network, split))
        if several:
            _write(reports[-1], runs / str(name) / what)
    report = over_runs(reports) if several else reports[0]
    text = _write(report, folder)
    if as_json:
        typer.echo(text, nl=False)
        return
    from rich.console import Console  # noqa: PLC0415

    Console().print(table_of(report))
    for sentence in report.left_out:
        typer.echo(f"left out: {sentence}")
    typer.echo(f"against {report.reference}; {', '.join(str(folder / name) for name in FILES)}")


def _what(data: str | None, split: str, temperature: float) -> str:
    """The name of an evaluation's folder, which says every choice that is not the default."""
    what = "evaluation" if data is None else f"evaluation-{Path(data).name}"
    if split != "test":
        what += f"-{split}"
    return what if temperature == 1 else f"{what}-at-{abs(temperature):g}"


def _folder(names: Sequence[str], model: str | None, runs: Path, what: str) -> Path:
    """The default folder of an evaluation: in the run, beside several runs, or, for a model, in the current folder."""
    if len(set(names)) < len(names):
        raise ValueError(f"--run: a run is named twice: {', '.join(names)}")
    if not names:
        return Path(f"{Path(model or '').name}-{what}")
    if len(names) == 1:
        return runs / names[0] / what
    common = os.path.commonprefix(names).rstrip("-_.") or "runs"  # noqa: RUF071 (of names, not of paths)
    return runs / f"{common}-{what}"


def _write(report: Report, folder: Path) -> str:
    """Write the report's two files and return the JSON's text. Raises ValueError if they can't be written."""
    from spiral.evaluation.picture import save_report_picture  # noqa: PLC0415
    from spiral.values.atomic_file import atomic_write  # noqa: PLC0415

    text = strict_json.report(report.as_dict(), indent=1) + "\n"
    written = [folder / name for name in FILES]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(written[0]) as aside:
            aside.write_text(text, encoding="utf-8")
        save_report_picture(written[1], report)
        remember(written)
    except OSError as error:
        raise ValueError(f"out: {folder} can't be written: {error.strerror or error}") from error
    return text


def table_of(report: Report) -> Table:
    """The figures as a table: value, interval, number of pictures, and which direction is better."""
    from rich.table import Table  # noqa: PLC0415

    from spiral.evaluation.report import rounded  # noqa: PLC0415

    table = Table(
        title=report.title,
        box=None,
        padding=(0, 2, 0, 0),
        title_justify="left",
    )
    table.add_column("measure", overflow="fold")
    for heading in ("value", "95 % interval", "n"):
        table.add_column(heading, justify="right", no_wrap=True)
    if any(figure.values for figure in report.figures):
        table.add_column("of each run", overflow="fold")
    for figure in report.figures:
        value, interval = rounded(figure.estimate)
        arrow = ARROWS[figure.better]
        each = ", ".join(f"{single:.4g}" for single in figure.values)
        table.add_row(f"{figure.label} {arrow}".strip(), value, interval, f"{figure.estimate.n:,}", each or None)
    if report.curve:
        strokes = sorted({0, 1, 2, 4, 8, 16, 32, 64, len(report.curve) - 1} & set(range(len(report.curve))))
        for k in strokes:
            value, interval = rounded(report.curve[k])
            table.add_row(
                f"  error after {k} {'stroke' if k == 1 else 'strokes'}", value, interval, f"{report.curve[k].n:,}"
            )
    return table
