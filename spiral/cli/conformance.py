"""``spiral conformance``: whether a service keeps the protocol's promises."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from spiral.cli import options
from spiral.outputs import refuse_to_overwrite, remember

Service = Literal["renderer", "discriminator", "learner", "actor"]


def conformance(
    service: Annotated[Service, typer.Argument(help="Whose promises.")],
    target: Annotated[str, typer.Option(help="Its address: host:port, unix:/path, dns:///name:port.")] = "",
    command: Annotated[str, typer.Option(help="Command that starts it, with its address in SPIRAL_LISTEN.")] = "",
    metrics: Annotated[str, typer.Option(help="URL of its metrics page (default: the one that GetInfo names).")] = "",
    drain_command: Annotated[str, typer.Option(help="Shell command that asks it to end, as SIGTERM does.")] = "",
    tls_ca: Annotated[Path | None, typer.Option(help="Authority of its certificate, PEM.", metavar="F")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="Own certificate, PEM.", metavar="F")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Own key, PEM.", metavar="F")] = None,
    curve_key: Annotated[
        Path | None,
        typer.Option(help="Own key file for CURVE towards a learner or an actor (default: plaintext).", metavar="F"),
    ] = None,
    curve_peers: Annotated[
        Path | None, typer.Option(help="Public key of the learner, or those of the actors.", metavar="F")
    ] = None,
    level: Annotated[
        Literal["core", "extended"], typer.Option(help="core: what the loop needs; extended: what is optional, too.")
    ] = "core",
    junit: Annotated[Path | None, typer.Option(help="Write the results as JUnit XML.", metavar="F")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the results as JSON.", metavar="F.json")] = None,
    overwrite: options.Overwrite = False,
    load: Annotated[bool, typer.Option("--load", help="Measure at growing concurrency besides.")] = False,
    engine: Annotated[str, typer.Option(help="Engine to paint with (default: the first that GetInfo names).")] = "",
    settings: Annotated[str, typer.Option(help="The engine's settings, a JSON object (default: its own).")] = "",
    observation_shape: Annotated[
        str, typer.Option(help="Pictures of a discriminator, HxWxC (default: as SampleTargets shows them).")
    ] = "",
    config: Annotated[str, typer.Option(help="Run of a learner or an actor: a preset or a YAML file.")] = "demo",
    setting: Annotated[
        list[str] | None, typer.Option("--set", help="Single settings on top of it, key=value.", show_default=False)
    ] = None,
    learner_data: Annotated[
        str, typer.Option(help="Where a learner takes trajectories (default: told in SPIRAL_LEARNER_DATA).")
    ] = "",
    weights: Annotated[
        Path | None,
        typer.Option(help="Weights for an actor of another policy, safetensors (default: the run's own).", metavar="F"),
    ] = None,
) -> int:
    """Try a service, of whatever language, case by case: docs/conformance.md says what is done.

    Needs nothing of it but the protocol. Exit code 1 where a case of the level failed; what can't run here is skipped
    with its reason.
    """
    for option, file in (("junit", junit), ("report", report)):
        if file is not None:
            refuse_to_overwrite([file], overwrite, option)
    from rich.console import Console  # noqa: PLC0415

    from spiral.conformance.case import Failure  # noqa: PLC0415
    from spiral.conformance.catalogue import cases_of  # noqa: PLC0415
    from spiral.conformance.printing import Printer  # noqa: PLC0415
    from spiral.conformance.process import ending_in_order  # noqa: PLC0415
    from spiral.conformance.reports import write_json, write_junit  # noqa: PLC0415
    from spiral.conformance.running import run_cases  # noqa: PLC0415
    from spiral.conformance.session import opened  # noqa: PLC0415
    from spiral.conformance.suite_options import SuiteOptions  # noqa: PLC0415

    wanted = SuiteOptions(
        service,
        target,
        command,
        metrics,
        drain_command,
        tls_ca,
        tls_cert,
        tls_key,
        curve_key,
        curve_peers,
        level,
        load,
        engine=engine,
        settings=settings,
        observation_shape=observation_shape,
        config=config,
        set=tuple(setting or ()),
        learner_data=learner_data,
        weights=weights,
    )
    printer = Printer(Console())
    try:
        with ending_in_order(), opened(wanted, typer.echo) as subject:
            results = run_cases(cases_of(service, level, load), subject, printer.tell)
    except Failure as failure:
        typer.echo(f"spiral: {failure}", err=True)
        return 1
    printer.measured(subject)
    printer.summed_up(results, subject, level)
    if junit is not None:
        write_junit(junit, results, subject)
    if report is not None:
        write_json(report, results, subject, level)
    remember(file for file in (junit, report) if file is not None)
    return int(any(result.outcome == "failed" for result in results))
