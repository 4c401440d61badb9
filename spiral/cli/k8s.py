"""``spiral k8s``: a run in a Kubernetes cluster."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from spiral.cli import options
from spiral.cli.k8s_render import render
from spiral.extras import to_install
from spiral.outputs import refuse_to_overwrite, remember
from spiral.values import strict_json
from spiral.values.atomic_file import atomic_write

if TYPE_CHECKING:
    from spiral.kubernetes.cluster import Access, Cluster

T = TypeVar("T")

app = typer.Typer(
    help="Work with a run in a Kubernetes cluster: watch, scale, fetch pictures and checkpoints, diagnose.",
    no_args_is_help=True,
)
checkpoint = typer.Typer(help="Move checkpoints out of the cluster and back into it.", no_args_is_help=True)
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


app.command("render")(render)


@app.command("status")
def status(
    seconds: Annotated[
        float, typer.Option(min=0.1, max=600, help="Seconds between the two readings that rates are computed from.")
    ] = 5.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
    namespace: Namespace = NAMESPACE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show pods, versions, frames per second, the bottleneck, and how old the actors' weights are."""
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
        typer.Option(min=1, max=3600, help="Wait until all are ready, at most this many seconds.", show_default=False),
    ] = None,
    namespace: Namespace = NAMESPACE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Change the number of actors and renderers; stop or start learner and discriminator with 0 or 1."""
    access = _access(namespace, context, kubeconfig)
    from spiral.kubernetes import scaling  # noqa: PLC0415

    wanted = scaling.parse_wishes(wishes)

    async def change(cluster: Cluster) -> None:
        for service, before, now in await scaling.scale(cluster, wanted):
            typer.echo(f"{service}: {before} → {now}")
        for service, name in (await scaling.autoscalers(cluster, wanted)).items():
            typer.echo(f"the autoscaler {name} also sets the number of {service} pods and may change it back", err=True)
        if wait is not None:
            await scaling.wait_ready(cluster, wanted, wait)
            typer.echo("ready")

    _with(access, change)


@app.command("logs")
def logs(
    service: Services = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing new lines as they come.")] = False,
    tail: Annotated[int, typer.Option(min=0, help="Print this many last lines of each container; 0: all.")] = 100,
    since: Annotated[
        str | None,
        typer.Option(
            help="Print only lines this recent, for example 90s, 10m, 2h.", metavar="TIME", show_default=False
        ),
    ] = None,
    previous: Annotated[
        bool, typer.Option("--previous", help="Print the logs of the containers before their last restart.")
    ] = False,
    namespace: Namespace = NAMESPACE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Print the logs of all services, interleaved by time."""
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
        raise ValueError(f'out: the ending of "{out}" is unknown; expected .png or .gif')
    refuse_to_overwrite([out], overwrite)
    access = _access(namespace, context, kubeconfig)
    from spiral.kubernetes.samples import newest_sample  # noqa: PLC0415

    found = _with(access, lambda cluster: newest_sample(cluster, out.suffix))
    _write(out, found.content)
    typer.echo(f"{out}: {found.name} of the cluster, after {found.frames:,} learned frames")


@app.command("history")
def history(
    out: Annotated[Path, typer.Option(help="File to write: one JSON object per line.")] = Path("history.jsonl"),
    overwrite: options.Overwrite = False,
    namespace: Namespace = NAMESPACE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Fetch the run's learning curve; its services need not run."""
    refuse_to_overwrite([out], overwrite)
    access = _access(namespace, context, kubeconfig)
    from spiral.kubernetes.samples import read_history  # noqa: PLC0415

    content = _with(access, read_history)
    _write(out, content)
    typer.echo(f"{out}: {len(content.splitlines()):,} records")


@app.command("stacks")
def stacks(
    service: Annotated[str, typer.Argument(help="renderer, actor, learner or discriminator.", metavar="SERVICE")],
    namespace: Namespace = NAMESPACE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Show what all threads of a service are doing, for example why it hangs."""
    access = _access(namespace, context, kubeconfig)
    from spiral.kubernetes.logs import services_named  # noqa: PLC0415
    from spiral.kubernetes.stacks import stacks as read_stacks  # noqa: PLC0415
    from spiral.wire.edges import SERVICES  # noqa: PLC0415

    (named,) = services_named([service], SERVICES)
    for pod, text in _with(access, lambda cluster: read_stacks(cluster, named)):
        typer.echo(f"{pod}\n\n{text}")


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
    """Fetch the newest checkpoints into a local run, for spiral paint, eval and train.

    Each is written to a temporary file, checked against the SHA-256 of its manifest, and renamed. The services may keep
    running.
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
        bool,
        typer.Option("--stop", help="Stop the services first, with a last checkpoint, and start them again after it."),
    ] = False,
    namespace: Namespace = NAMESPACE,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
) -> None:
    """Copy the newest checkpoints of a local run into the cluster, as the newest ones there.

    A service reads its checkpoint only at its start, so it must not be running: if it is, push refuses unless --stop
    is given. The checkpoints in the cluster stay. A new generation begins, so nothing painted with other weights is
    learned from.
    """
    access = _access(namespace, context, kubeconfig)
    from spiral.kubernetes import checkpoints, logs  # noqa: PLC0415
    from spiral.runs.directory import find_run  # noqa: PLC0415

    source, chosen = find_run(runs, run), logs.services_named(service, checkpoints.KEEPERS)
    _with(access, lambda cluster: checkpoints.push(cluster, source, chosen, stop, typer.echo))


@app.command("doctor")
def doctor(namespace: Namespace = NAMESPACE, context: Context = None, kubeconfig: Kubeconfig = None) -> int:
    """Check rights, storage, autoscaling, GPUs, pods and warnings, each with its fix; exit code 1 if a check fails."""
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
    """Make ports of the cluster reachable at addresses of this machine, until Ctrl-C."""
    access = _access(namespace, context, kubeconfig)
    from spiral.kubernetes import forwarding  # noqa: PLC0415

    wanted = forwarding.parse_targets(targets)

    def warn(text: str) -> None:
        typer.echo(text, err=True)

    _with(access, lambda cluster: forwarding.forward(cluster, wanted, address, typer.echo, warn))


def _access(namespace: str, context: str | None, kubeconfig: Path | None) -> Access:
    """How to reach the cluster. Raises ValueError, which says what to install, if the client package is missing."""
    try:
        from spiral.kubernetes.cluster import Access  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"kubernetes", "aiohttp"}:
            raise
        raise ValueError(f"spiral k8s needs the official Kubernetes client: {to_install('k8s')}") from error
    return Access(namespace, context, kubeconfig)


def _with(access: Access, work: Callable[[Cluster], Awaitable[T]]) -> T:
    """Run ``work`` with a connection to the cluster."""
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


def _write(out: Path, content: bytes) -> None:
    """Write a file and remember that it is ours; ValueError if it can't be written."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(out) as aside:
            aside.write_bytes(content)
        remember([out])
    except OSError as error:
        raise ValueError(f"out: {out} can't be written: {error.strerror or error}") from error
