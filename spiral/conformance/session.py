"""One run of the suite: from what the user asks for to a target, and from its results to the exit code."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from spiral.conformance.case import Level
from spiral.conformance.discriminator.subject import DiscriminatorTarget
from spiral.conformance.process import Command
from spiral.conformance.renderer.subject import RendererTarget
from spiral.conformance.target import Target
from spiral.wire.addresses import check_address
from spiral.wire.edges import Service
from spiral.wire.tls import Identity


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user asks for; the command line's options, by their names."""

    service: Service
    target: str = ""
    command: str = ""
    metrics: str = ""
    drain_command: str = ""
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    level: Level = "core"
    load: bool = False
    engine: str = ""
    settings: str = ""
    observation_shape: str = ""

    def identity(self) -> Identity | None:
        """For mutual TLS; ValueError where only some of the files are named."""
        files = (self.tls_ca, self.tls_cert, self.tls_key)
        if not any(files):
            return None
        if self.tls_ca is None or self.tls_cert is None or self.tls_key is None:
            raise ValueError("--tls-ca, --tls-cert, --tls-key: all three or none are right")
        return Identity.load(self.tls_ca, self.tls_cert, self.tls_key)


@contextmanager
def opened(wanted: Wanted) -> Iterator[Target]:
    """The target, reachable and serving; whatever was started is ended with the block.

    ValueError where the options make no sense, Failure where the target does not serve.
    """
    if not wanted.target and not wanted.command:
        raise ValueError("--target: an address is right, or --command, which is told one in SPIRAL_LISTEN")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conformance-")))
        address = check_address(wanted.target or f"unix:{folder}/target", "--target")
        command = None
        if wanted.command:
            command = Command(wanted.command, {"SPIRAL_LISTEN": address}, folder / "log")
            stack.callback(command.kill)
        target = _make(wanted, address, command)
        stack.callback(target.close)
        target.start()
        yield target


def _make(wanted: Wanted, address: str, command: Command | None) -> Target:
    identity = wanted.identity()
    if wanted.service == "renderer":
        return RendererTarget(
            "renderer",
            address,
            identity,
            wanted.metrics,
            command,
            wanted.drain_command,
            engine_name=wanted.engine,
            settings_json=wanted.settings,
        )
    if wanted.service == "discriminator":
        shape = _shape(wanted.observation_shape)
        drain = wanted.drain_command
        return DiscriminatorTarget(
            "discriminator", address, identity, wanted.metrics, command, drain, observation_shape=shape
        )
    return Target(wanted.service, address, identity, wanted.metrics, command, wanted.drain_command)


def _shape(text: str) -> tuple[int, int, int] | None:
    if not text:
        return None
    try:
        height, width, channels = map(int, text.split("x"))
    except ValueError as error:
        raise ValueError(f'--observation-shape: "{text}" is no HxWxC, as 32x32x1 is') from error
    return height, width, channels
