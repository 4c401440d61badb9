"""Where a service listens, which services it talks to and what it may use: one schema for flags, environment and file.

The option ``--learner-data`` is ``SPIRAL_LEARNER_DATA`` in the environment and ``learner_data`` in a YAML file that
``--options-file`` or ``SPIRAL_OPTIONS_FILE`` names. Flags win over the environment, the environment over the file.
What a run learns is configured elsewhere, see :mod:`spiral.configuration.schema`.

The flags are read by argparse. pydantic-settings was tried: 221 lines instead of 272, but it cuts ``--set`` values at
commas, takes ports that Kubernetes injects for options, and its help has no ranges. Fixing that means overriding
private methods of the package.
"""

from __future__ import annotations

import argparse
import atexit
import difflib
import gc
import json
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Self, TypeVar, get_args, get_origin

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic.fields import FieldInfo

from spiral.configuration.files import load_config
from spiral.configuration.schema import RunConfig
from spiral.values.validation import sentence
from spiral.wire.addresses import check_address, split_tcp
from spiral.wire.curve import Keys
from spiral.wire.edges import DATA_PORT, PORTS
from spiral.wire.tls import Identity

# Kubernetes shows the text of this file as the reason why a container ended.
TERMINATION_LOG = Path("/dev/termination-log")


class StartError(ValueError):
    """The service can't start with these options; the message is a sentence for the user who started it."""


def _address(value: str, info: ValidationInfo) -> str:
    return check_address(value, info.field_name or "address") if value else value


def _host_port(value: str, info: ValidationInfo) -> str:
    try:
        split_tcp(value)
    except ValueError as error:
        raise ValueError(f"{info.field_name}: {error}") from error
    return value


Address = Annotated[str, AfterValidator(_address)]
HostPort = Annotated[str, AfterValidator(_host_port)]


class ServiceOptions(BaseModel):
    """The options of every service."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False)

    listen: Address
    """Address of its gRPC server: host:port (port 0: a free one) or unix:/path."""
    health: Address = ""
    """Additional address that answers health checks only, always in plaintext. Empty: none; --listen answers them."""
    metrics: HostPort = "127.0.0.1:0"
    """Address of the metrics page over HTTP, host:port; port 0: a free one, which GetInfo names."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level that is logged."""
    grace_s: float = Field(30.0, ge=0, le=600)
    """Seconds that calls in progress have to end after SIGTERM."""
    parent_pipe: int | None = Field(None, ge=0)
    """File descriptor of an inherited pipe; the service stops when its other end closes. Empty: none."""
    tls_ca: Path | None = None
    """PEM file of the authority that must have signed the peers' certificates. With tls_cert and tls_key, all gRPC
    except --health uses mutual TLS. Empty: plaintext."""
    tls_cert: Path | None = None
    """PEM file of this service's certificate, as client and as server; it contains the host name that peers use."""
    tls_key: Path | None = None
    """PEM file of the certificate's key, not encrypted."""

    _identity: Identity | None = PrivateAttr(None)

    @property
    def identity(self) -> Identity | None:
        """The contents of the three TLS files; None: plaintext."""
        return self._identity

    @model_validator(mode="after")
    def _read_identity(self) -> Self:
        files = _all_or_none(self, "tls_ca", "tls_cert", "tls_key")
        self._identity = Identity.load(*files) if files else None
        return self


class RunOptions(ServiceOptions):
    """The additional options of a service that takes part in a run."""

    config: str = "demo"
    """What to learn: the name of a preset or the path of a YAML file."""
    set: tuple[str, ...] = ()
    """One setting on top of it, key=value, for example learner.reuse=2; may be repeated."""
    renderer: Address = f"127.0.0.1:{PORTS['renderer']}"
    """Address of the renderer; dns:///name:port for several renderers."""
    learner: Address = f"127.0.0.1:{PORTS['learner']}"
    """Address of the learner's gRPC server."""
    learner_data: Address = f"127.0.0.1:{DATA_PORT}"
    """Address where the learner takes trajectories (ZeroMQ): host:port or unix:/path."""
    discriminator: Address = f"127.0.0.1:{PORTS['discriminator']}"
    """Address of the discriminator."""

    def run_config(self) -> RunConfig:
        """The configuration that ``config`` and ``set`` describe; ValueError with a sentence if it is invalid."""
        return load_config(self.config, self.set)


class DataOptions(RunOptions):
    """The additional options of actor and learner, between which trajectories travel."""

    curve_key: Path | None = None
    """File with this service's secret key for CURVE, which encrypts trajectories (ZeroMQ). Empty: plaintext."""
    curve_peers: Path | None = None
    """Public keys of trusted peers: a file, or a folder of *.key files. The learner needs the keys of the actors; an
    actor needs the key of the learner."""

    _curve: Keys | None = PrivateAttr(None)

    @property
    def curve(self) -> Keys | None:
        """The contents of the key files; None: plaintext."""
        return self._curve

    @model_validator(mode="after")
    def _read_curve(self) -> Self:
        files = _all_or_none(self, "curve_key", "curve_peers")
        self._curve = Keys.load(*files) if files else None
        return self


def _all_or_none(options: ServiceOptions, *names: str) -> list[Path]:
    """The files of options that only make sense together; empty if none is given."""
    files: list[Path] = [path for name in names if (path := getattr(options, name)) is not None]
    if files and len(files) < len(names):
        missing = " and ".join(name for name in names if getattr(options, name) is None)
        raise ValueError(f"{missing}: not given; expected all of {', '.join(names)} or none of them")
    return files


O = TypeVar("O", bound=ServiceOptions)  # noqa: E741  (options)


def run(schema: type[O], service: str, serve: Callable[[O], int], argv: Sequence[str] | None = None) -> int:
    """Read the options and serve. Returns the exit code: 2, with a sentence on standard error, if it can't start."""
    # At exit the collector looks through everything that torch made, several times: a second or two.
    atexit.register(gc.freeze)
    arguments = sys.argv[1:] if argv is None else argv
    try:
        return serve(parse(schema, service, arguments, os.environ))
    except StartError as error:
        return refuse(service, error)


def refuse(service: str, error: Exception, log: Path = TERMINATION_LOG, code: int = 2) -> int:
    """Tell the user and Kubernetes why the service does not start, or ends. Returns the exit code."""
    text = f"{service}: {error}"
    sys.stderr.write(text + "\n")
    if os.access(log, os.W_OK):
        log.write_text(text)
    return code


def parse(schema: type[O], service: str, argv: Sequence[str], environment: Mapping[str, str]) -> O:
    """The options from flags, environment and file; StartError with a sentence if something is wrong."""
    flags = vars(_parser(schema, service).parse_args(argv))
    file = flags.pop("options_file", None) or environment.get("SPIRAL_OPTIONS_FILE", "")
    values = (_read_file(schema, Path(file)) if file else {}) | _read_environment(schema, environment) | flags
    try:
        return schema.model_validate(values)
    except ValidationError as error:
        raise StartError(sentence(error)) from error


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        unknown = re.search(r"unrecognized arguments: (--[^ =]+)", message)
        close = difflib.get_close_matches(unknown[1], self._option_string_actions, n=1) if unknown else []
        hint = f'did you mean "{close[0]}"? ' if close else ""
        raise StartError(f"{message}; {hint}--help lists the options")


def _parser(schema: type[ServiceOptions], service: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"python -m spiral.services.{service}",
        description=(schema.__doc__ or "") + " The environment variable SPIRAL_SOME_NAME sets the option --some-name.",
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    parser.add_argument("--options-file", metavar="FILE", help="YAML file of options, for example listen: 0.0.0.0:1")
    for name, option in schema.model_fields.items():
        action = "append" if _is_list(option) else "store"
        parser.add_argument(_flag(name), dest=name, action=action, metavar=_metavar(option), help=_help(option))
    return parser


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _is_list(option: FieldInfo) -> bool:
    return get_origin(option.annotation) is tuple


def _metavar(option: FieldInfo) -> str:
    if get_origin(option.annotation) is Literal:
        return "|".join(str(value) for value in get_args(option.annotation))
    return "VALUE"


def _help(option: FieldInfo) -> str:
    bounds = [f"{sign} {getattr(m, key)}" for m in option.metadata for key, sign in _BOUNDS.items() if hasattr(m, key)]
    default = "none" if option.default in {None, "", ()} else option.default
    text = " ".join((option.description or "").split())
    return f"{text} ({', '.join([*bounds, f'default: {default}'])})".replace("%", "%%")


_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def _read_environment(schema: type[ServiceOptions], environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, option in schema.model_fields.items():
        value = environment.get(f"SPIRAL_{name.upper()}", "")
        # Kubernetes injects SPIRAL_LEARNER_PORT=tcp://… for a Service called spiral-learner.
        if value and not (name.endswith("_port") and value.startswith("tcp://")):
            values[name] = _split(name, value) if _is_list(option) else value
    return values


def _split(name: str, value: str) -> Any:
    """The values of a variable that holds several: a JSON list, or one value per line."""
    if not value.startswith("["):
        return value.splitlines()
    try:
        return json.loads(value)
    except ValueError as error:
        raise StartError(f'{name}: "{value}" is no JSON list of key=value: {error}') from error


def _read_file(schema: type[ServiceOptions], path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StartError(f"options file {path} can't be read: {error}") from error
    if not isinstance(values, dict):
        raise StartError(f"options file {path}: found {type(values).__name__}; expected options as name: value")
    known = list(schema.model_fields)
    for name in values:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            hint = f'did you mean "{close[0]}"? ' if close else ""
            raise StartError(f'options file {path}: "{name}" is unknown; {hint}known: {", ".join(known)}')
    return values
