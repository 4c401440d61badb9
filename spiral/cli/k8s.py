"""``spiral k8s``: a run in a Kubernetes cluster."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from spiral.cli import options
from spiral.extras import to_install
from spiral.outputs import refuse_to_overwrite, remember
from spiral.values import strict_json
from spiral.values.atomic_file import atomic_write

if TYPE_CHECKING:
    from spiral.kubernetes.cluster import Access, Cluster

T = TypeVar("T")

app = typer.Typer(
    help="A run in a Kubernetes cluster: watch, scale, fetch pictures and checkpoints, diagnose.",
    no_args_is_help=True,
)
checkpoint = typer.Typer(help="Checkpoints out of the cluster and back into it.", no_args_is_help=True)
app.add_typer(checkpoint, name="checkpoint")

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}

Namespace = Annotated[str, typer.Option("--namespace", "-n", help="Namespace of the run.", metavar="NAME")]
Context = Annotated[
    str | None,
    typer.Option(help="Context of the kubeconfig (default: its current one).", metavar="NAME", show_default=False),
]
Kubeconfig = Annotated[
    Path | None,
    typer.Option(
        help="Kubeconfig file (default: KUBECONFIG, else ~/.kube/config, else this pod's service account).",
        metavar="FILE",
        show_default=False,
    ),
]
Services = Annotated[
    list[str] | None,
    typer.Option(
        "--service", help="One service only; may be repeated (default: all).", metavar="SERVICE", show_default=False
    ),
]
NAMESPACE = "spiral"


@app.command("render")
def render(
    out: Annotated[Path, typer.Option(help="Folder to write the kustomization into.", metavar="DIR")],
    manifests: Annotated[Path, typer.Option(help="The project's manifests.", metavar="DIR")] = Path("k8s"),
    registry: Annotated[str | None, typer.Option(help="Registry of the images.", show_default=False)] = None,
    tag: Annotated[str | None, typer.Option(help="Tag of the images.", show_default=False)] = None,
    actors: Annotated[int | None, typer.Option(min=0, max=1000, show_default=False)] = None,
    renderers: Annotated[int | None, typer.Option(min=0, max=1000, show_default=False)] = None,
    preset: Annotated[str | None, typer.Option(help="Preset or YAML file.", metavar="NAME|FILE")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", show_default=False)] = None,
    storage_class: Annotated[str | None, typer.Option(help="StorageClass of the claims.", show_default=False)] = None,
    gpu: Annotated[str, typer.Option(help="none, each (learner and discriminator) or shared (one in all).")] = "none",
    overwrite: options.Overwrite = False,
) -> None:
    """Write an overlay with your values, for kubectl apply -k."""
    from spiral.kubernetes.rendering import Values, write_overlay  # noqa: PLC0415

    chosen = Values(registry, tag, actors, renderers, preset, tuple(settings or ()), storage_class, gpu)
    try:
        write_overlay(manifests, out, chosen, overwrite)
    except OSError as error:
        raise ValueError(f"out: {out} can't be written: {error.strerror or error}") from error
    typer.echo(f"kubectl apply -k {out}")


@app.command("status")
def status(
    seconds: Annotated[
        float, typer.Option(min=0.1, max=600, help="Time between the two looks from which rates are made.")
    ] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
    namespace: Namespace = NAMESPACE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show pods, versions, frames a second, whom all wait for, and how old the weights are that paint."""
    from spiral.cli import k8s_tables  # noqa: PLC0415

    access = _access(namespace, context, kubeconfig)
    from spiral.kubernetes.status import read_status, to_json  # noqa: PLC0415

    found = _with(access, lambda cluster: read_status(cluster, seconds))
    if as_json:
        typer.echo(strict_json.report(to_json(found)))
    else:
        k8s_tables.show_status(found)


@app.command("scale")
def scale(
    wishes: Annotated[list[str], typer.Argument(metavar="SERVICE=N...", help="For example actors=8 renderers=4.")],
    wait: Annotated[
        float | None,
        typer.Option(min=1, max=3600, help="Wait until so many are ready, at most these seconds.", show_default=False),
    ] = None,
    namespace: Namespace = NAMESPACE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Ask for more or fewer actors and renderers; stop and start learner and discriminator with 0 and 1."""
    access = _access(namespace, context, kubeconfig)
    from spiral.kubernetes import scaling  # noqa: PLC0415

    wanted = scaling.parse_wishes(wishes)

    async def change(cluster: Cluster) -> None:
        for service, before, now in await scaling.scale(cluster, wanted):
            typer.echo(f"{service}: {before} → {now}")
        for service, name in (await scaling.autoscalers(cluster, wanted)).items():
            typer.echo(f"the autoscaler {name} sets the number of {service} pods too and may change it back", err=True)
        if wait is not None:
            await scaling.wait_ready(cluster, wanted, wait)
            typer.echo("ready")

    _with(access, change)


@app.command("logs")
def logs(
    service: Services = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines as they come.")] = False,
    tail: Annotated[int, typer.Option(min=0, help="The last lines of each container; 0: all.")] = 100,
    since: Annotated[
        str | None,
        typer.Option(help="Of the last time only, for example 90s, 10m, 2h.", metavar="TIME", show_default=False),
    ] = None,
    previous: Annotated[bool, typer.Option("--previous", help="Of the containers before their last restart.")] = False,
    namespace: Namespace = NAMESPACE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Print what all services say, interleaved by time."""
    if follow and previous:
        raise ValueError("--previous: a container that has ended says nothing new; leave out --follow")
    since_s = None if since is None else _duration(since)
    access = _access(namespace, context, kubeconfig)
    from spiral.cli import k8s_tables  # noqa: PLC0415
    from spiral.kubernetes.logs import Wish, follow_logs, read_logs, services_named  # noqa: PLC0415
    from spiral.wire.edges import SERVICES  # noqa: PLC0415

    wish = Wish(services_named(service, SERVICES), tail or None, since_s, previous)

    async def show(cluster: Cluster) -> None:
        if follow:
            async for line in follow_logs(cluster, wish):
                k8s_tables.show_line(line)
            return
        lines, notes = await read_logs(cluster, wish)
        for line in lines:
            k8s_tables.show_line(line)
        for note in notes:
            typer.echo(note, err=True)

    _with(access, show)


@app.command("samples")
def samples(
    out: Annotated[
        Path, typer.Option(help="A .png (the newest contact sheet) or a .gif (the newest painting, stroke by stroke).")
    ] = Path("samples.png"),
    overwrite: options.Overwrite = False,
    namespace: Namespace = NAMESPACE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Fetch the newest pictures that the learner has written."""
    if out.suffix not in {".png", ".gif"}:
        raise ValueError(f'out: "{out}" has no ending that is known; .png, .gif are')
    refuse_to_overwrite([out], overwrite)
    access = _access(namespace, context, kubeconfig)
    from spiral.kubernetes.samples import newest_sample  # noqa: PLC0415

    found = _with(access, lambda cluster: newest_sample(cluster, out.suffix))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(out) as aside:
            aside.write_bytes(found.content)
        remember([out])
    except OSError as error:
        raise ValueError(f"out: {out} can't be written: {error.strerror or error}") from error
    typer.echo(f"{out}: {found.name} of the cluster, after {found.frames:,} learnt frames")


@checkpoint.command("pull")
def pull(
    run: options.RunName = "cluster",
    runs: options.Runs = options.RUNS,
    service: Services = None,
    overwrite: options.Overwrite = False,
    namespace: Namespace = NAMESPACE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Fetch the newest checkpoints into a run here, which spiral paint, eval and train know.

    Each is written aside, compared with its manifest's SHA-256 and renamed. The services may run meanwhile.
    """
    access = _access(namespace, context, kubeconfig)
    from spiral.kubernetes import checkpoints, logs  # noqa: PLC0415
    from spiral.runs.directory import name_run  # noqa: PLC0415

    target, chosen = name_run(runs, run), logs.services_named(service, checkpoints.KEEPERS)
    _with(access, lambda cluster: checkpoints.pull(cluster, target, chosen, typer.echo, overwrite))


@checkpoint.command("push")
def push(
    run: options.RunName,
    runs: options.Runs = options.RUNS,
    service: Services = None,
    stop: Annotated[
        bool, typer.Option("--stop", help="Stop the services for it, with a last checkpoint, and start them again.")
    ] = False,
    namespace: Namespace = NAMESPACE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Make the newest checkpoints of a run here the newest ones of the cluster.

    They are read at a service's start, so the service must not run: it is refused then, unless --stop. What the
    cluster has stays; the next generation begins, so nothing painted with other weights is learnt from.
    """
    access = _access(namespace, context, kubeconfig)
    from spiral.kubernetes import checkpoints, logs  # noqa: PLC0415
    from spiral.runs.directory import find_run  # noqa: PLC0415

    source, chosen = find_run(runs, run), logs.services_named(service, checkpoints.KEEPERS)
    _with(access, lambda cluster: checkpoints.push(cluster, source, chosen, stop, typer.echo))


@app.command("doctor")
def doctor(namespace: Namespace = NAMESPACE, context: Context = None, kubeconfig: Kubeconfig = None) -> int:
    """Check rights, storage, autoscaling, GPUs, pods and warnings, each with its fix; exit code 1 if one is bad."""
    access = _access(namespace, context, kubeconfig)
    from spiral.cli.doctor import SIGNS  # noqa: PLC0415
    from spiral.kubernetes.diagnosis import examine  # noqa: PLC0415

    async def show(cluster: Cluster) -> int:
        worst = 0
        async for finding in examine(cluster):
            sign, colour = SIGNS[finding.state]
            typer.secho(sign, fg=colour, nl=False)
            typer.echo(f" {finding.subject:<15} {finding.text}" + (f"; {finding.fix}" if finding.fix else ""))
            worst = max(worst, finding.state == "bad")
        return worst

    return _with(access, show)


@app.command("port-forward")
def port_forward(
    targets: Annotated[
        list[str], typer.Argument(metavar="TARGET...", help="metrics, grafana, prometheus, grpc or SERVICE:PORT.")
    ],
    address: Annotated[str, typer.Option(help="Address of this machine to listen on.")] = "127.0.0.1",
    namespace: Namespace = NAMESPACE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Reach ports of the cluster at addresses of this machine, until Ctrl-C."""
    access = _access(namespace, context, kubeconfig)
    from spiral.kubernetes import forwarding  # noqa: PLC0415

    wanted = forwarding.parse_targets(targets)

    def warn(text: str) -> None:
        typer.echo(text, err=True)

    _with(access, lambda cluster: forwarding.forward(cluster, wanted, address, typer.echo, warn))


def _access(namespace: str, context: str | None, kubeconfig: Path | None) -> Access:
    """How the cluster is reached; ValueError that says what to install where the client is not there."""
    try:
        from spiral.kubernetes.cluster import Access  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"kubernetes", "aiohttp"}:
            raise
        raise ValueError(f"spiral k8s needs the official Kubernetes client: {to_install('k8s')}") from error
    return Access(namespace, context, kubeconfig)


def _with(access: Access, work: Callable[[Cluster], Awaitable[T]]) -> T:
    """Do something with a connection to the cluster."""
    import asyncio  # noqa: PLC0415

    from spiral.kubernetes.cluster import connect  # noqa: PLC0415

    async def connected() -> T:
        async with connect(access) as cluster:
            return await work(cluster)

    return asyncio.run(connected())


def _duration(text: str) -> int:
    """``90s``, ``10m``, ``2h`` or ``1d`` in seconds."""
    found = re.fullmatch(r"([0-9]{1,6})([smhd])", text)
    if not found or not int(found[1]):
        raise ValueError(f'since: "{text}" is no time; expected a number with s, m, h or d, for example 10m')
    return int(found[1]) * UNITS_S[found[2]]
