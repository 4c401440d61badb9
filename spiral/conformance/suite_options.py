"""What the user asks of the suite."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spiral.conformance.case import Level
from spiral.wire.curve import Keys
from spiral.wire.edges import Service
from spiral.wire.tls import Identity


@dataclass(frozen=True, slots=True)
class SuiteOptions:
    """What the user asks for; the command line's options, by their names."""

    service: Service
    target: str = ""
    command: str = ""
    metrics: str = ""
    drain_command: str = ""
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    curve_key: Path | None = None
    curve_peers: Path | None = None
    level: Level = "core"
    load: bool = False
    engine: str = ""
    settings: str = ""
    observation_shape: str = ""
    config: str = "demo"
    set: tuple[str, ...] = ()
    learner_data: str = ""
    weights: Path | None = None

    def identity(self) -> Identity | None:
        """Certificate, key and authority for mutual TLS; ValueError if only some of the files are given."""
        files = (self.tls_ca, self.tls_cert, self.tls_key)
        if not any(files):
            return None
        if self.tls_ca is None or self.tls_cert is None or self.tls_key is None:
            raise ValueError("--tls-ca, --tls-cert, --tls-key: some are missing; expected all three or none")
        return Identity.load(self.tls_ca, self.tls_cert, self.tls_key)

    def keys(self) -> Keys | None:
        """Keys for CURVE on the connection for trajectories; ValueError if only one of the two options is given."""
        if self.curve_key is None and self.curve_peers is None:
            return None
        if self.curve_key is None or self.curve_peers is None:
            raise ValueError("--curve-key, --curve-peers: one is missing; expected both or neither")
        return Keys.load(self.curve_key, self.curve_peers)

    def shape(self) -> tuple[int, int, int] | None:
        """Pictures (H, W, C); None if they are not told. ValueError if they make no sense."""
        if not self.observation_shape:
            return None
        try:
            height, width, channels = map(int, self.observation_shape.split("x"))
        except ValueError as error:
            raise ValueError(f'--observation-shape: "{self.observation_shape}" is no HxWxC, as 32x32x1 is') from error
        return height, width, channels
