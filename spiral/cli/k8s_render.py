"""``spiral k8s render``: an overlay with the user's values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spiral.cli import options


def render(
    out: Annotated[Path, typer.Option(help="Folder to write the kustomization into.", metavar="DIR")],
    manifests: Annotated[Path, typer.Option(help="Folder with the project's manifests.", metavar="DIR")] = Path("k8s"),
    registry: Annotated[str | None, typer.Option(help="Registry of the images.", show_default=False)] = None,
    tag: Annotated[str | None, typer.Option(help="Tag of the images.", show_default=False)] = None,
    actors: Annotated[int | None, typer.Option(min=0, max=1000, show_default=False, help="Number of actors.")] = None,
    renderers: Annotated[
        int | None, typer.Option(min=0, max=1000, show_default=False, help="Number of renderers.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="What to learn: a preset or a YAML file.", metavar="NAME|FILE")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="One setting on top of the preset; may be repeated.", metavar="KEY=VALUE", show_default=False
        ),
    ] = None,
    storage_class: Annotated[str | None, typer.Option(help="StorageClass of the claims.", show_default=False)] = None,
    gpu: Annotated[
        str,
        typer.Option(
            help="none, each (one for the learner, one for the discriminator) or shared (one, for the learner; the "
            "discriminator uses a CPU)."
        ),
    ] = "none",
    instance: Annotated[
        str | None,
        typer.Option(
            help="Name of this run beside others in one namespace; all names begin with it.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Namespace (default: spiral).", show_default=False)
    ] = None,
    cpu_limits: Annotated[
        bool, typer.Option("--cpu-limits", help="Give all pods CPU limits, for a namespace whose quota counts them.")
    ] = False,
    overwrite: options.Overwrite = False,
) -> None:
    """Write an overlay with your values, for kubectl apply -k."""
    from spiral.kubernetes.rendering import Values, write_overlay  # noqa: PLC0415

    chosen = Values(
        registry,
        tag,
        actors,
        renderers,
        preset,
        tuple(settings or ()),
        storage_class,
        gpu,
        instance,
        namespace,
        cpu_limits,
    )
    try:
        notes = write_overlay(manifests, out, chosen, overwrite)
    except OSError as error:
        raise ValueError(f"out: {out} can't be written: {error.strerror or error}") from error
    for note in notes:
        typer.echo(f"before it is applied: {note}", err=True)
    typer.echo(f"kubectl apply -k {out}")
