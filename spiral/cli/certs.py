"""``spiral certs``: certificates and keys for encrypted services."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spiral.extras import to_install


def certs(
    folder: Annotated[Path, typer.Argument(help="New folder for the set; it gets one folder per service.")],
    domain: Annotated[
        list[str] | None,
        typer.Option(
            help="Domain under which clients find the services, as in renderer.DOMAIN; may be repeated "
            "(default: spiral, spiral.svc, spiral.svc.cluster.local)."
        ),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, help="How long the certificates are valid.")] = 365,
) -> None:
    """Make a certificate authority, a certificate for each service, and CURVE keys for actor and learner.

    Start each service with its own files, for example the learner: --tls-ca FOLDER/learner/ca.crt --tls-cert
    FOLDER/learner/tls.crt --tls-key FOLDER/learner/tls.key --curve-key FOLDER/learner/curve.key_secret --curve-peers
    FOLDER/learner/actor.key. The authority's own key is not kept; if you need more certificates, make a new set.
    """
    import datetime  # noqa: PLC0415

    try:
        from spiral.wire.certificates import write_set  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ValueError(
            f"spiral certs needs a package that is not here ({error.name}): {to_install('tls')}"
        ) from error
    domains = domain or ["spiral", "spiral.svc", "spiral.svc.cluster.local"]
    write_set(folder, domains, datetime.timedelta(days=days), datetime.datetime.now(datetime.UTC))
    typer.echo(f"wrote certificates and keys that are valid for {days} days to {folder}")
