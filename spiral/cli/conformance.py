"""``spiral conformance``: check whether a service keeps the protocol's promises."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from spiral.cli import options
from spiral.outputs import refuse_to_overwrite, remember

Service = Literal["renderer", "discriminator", "learner", "actor"]


def conformance(
    service: Annotated[Service, typer.Argument(help="The kind of service to test.")],
    target: Annotated[str, typer.Option(help="Its address: host:port, unix:/path, dns:///name:port.")] = "",
    command: Annotated[str, typer.Option(help="Command that starts it; SPIRAL_LISTEN holds its address.")] = "",
    metrics: Annotated[str, typer.Option(help="URL of its metrics page (default: the one that GetInfo names).")] = "",
    drain_command: Annotated[str, typer.Option(help="Shell command that asks it to stop, as SIGTERM does.")] = "",
    tls_ca: Annotated[Path | None, typer.Option(help="Authority of its certificate, PEM.", metavar="F")] = None,
    tls_cert: Annotated[Path | None, typer.Option(help="The suite's own certificate, PEM.", metavar="F")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="The suite's own key, PEM.", metavar="F")] = None,
    curve_key: Annotated[
        Path | None,
        typer.Option(help="The suite's CURVE key file, for a learner or an actor (default: plaintext).", metavar="F"),
    ] = None,
    curve_peers: Annotated[
        Path | None, typer.Option(help="Public key of the learner, or public keys of the actors.", metavar="F")
    ] = None,
    level: Annotated[
        Literal["core", "extended"], typer.Option(help="core: what the loop needs; extended: optional parts, too.")
    ] = "core",
    junit: Annotated[Path | None, typer.Option(help="Write the results as JUnit XML.", metavar="F")] = None,
    report: Annotated[Path | None, typer.Option(help="Write the results as JSON.", metavar="F.json")] = None,
    overwrite: options.Overwrite = False,
    load: Annotated[bool, typer.Option("--load", help="Also measure speed at growing concurrency.")] = False,
    engine: Annotated[str, typer.Option(help="Engine to paint with (default: the first that GetInfo names).")] = "",
    settings: Annotated[str, typer.Option(help="The engine's settings, a JSON object (default: its own).")] = "",
    observation_shape: Annotated[
        str, typer.Option(help="Shape of a discriminator's pictures, HxWxC (default: that of SampleTargets).")
    ] = "",
    config: Annotated[
        str, typer.Option(help="Configuration for a learner or an actor: a preset or YAML file.")
    ] = "demo",
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", help="One setting on top of it, key=value; may be repeated.", show_default=False),
    ] = None,
    learner_data: Annotated[
        str,
        typer.Option(
            help="Address where a learner takes trajectories (default: the suite chooses one and passes it in "
            "SPIRAL_LEARNER_DATA)."
        ),
    ] = "",
    weights: Annotated[
        Path | None,
        typer.Option(
            help="Weights for an actor with a policy of its own, safetensors (default: the configuration's policy).",
            metavar="F",
        ),
    ] = None,
) -> int:
    """Test a service written in any language, case by case; docs/conformance.md describes the cases.

    The service needs nothing but the protocol. The exit code is 1 if a case of the level failed; a case that can't run
    here is skipped, and the output says why.
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
