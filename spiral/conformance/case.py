"""A conformance case: a function whose docstring is its written procedure, and the ways in which it ends.

    @case("renderer", "validation")
    def a_batch_out_of_range_is_refused(renderer: RendererTarget) -> None:
        \"\"\"A batch out of range is refused.

        Opens a stream with 0 canvases. It must end with INVALID_ARGUMENT, and the details must name ``batch``.
        \"\"\"

The first line is the sentence that is printed; the rest is the procedure in docs/conformance.md.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_args

import grpc

from spiral.wire.edges import SERVICES, Service

Level = Literal["core", "extended"]
"""``core`` is what the loop needs; ``extended`` is what is optional, and holds only where it is offered."""
Group = Literal[
    "identity",
    "health",
    "validation",
    "determinism",
    "semantics",
    "idempotency",
    "cancellation",
    "back-pressure",
    "size",
    "compatibility",
    "metrics",
    "load",
    "drain",
]
"""In the order in which they run: the last one ends the target."""
GROUPS: tuple[Group, ...] = get_args(Group)

T = TypeVar("T")


class Failure(Exception):  # noqa: N818  (it is not this program that errs)
    """The target broke the promise; the message says how."""


class Skip(Exception):  # noqa: N818  (not an error)
    """The case can't run here; the message says why."""


@dataclass(frozen=True, slots=True)
class Case:
    """One promise and how it is tried."""

    name: str
    sentence: str
    """What holds, for people."""
    procedure: str
    """What is done, and what must come of it."""
    group: Group
    level: Level
    services: tuple[Service, ...]
    """Whom it is about."""
    capability: str
    """What the target has to claim in GetInfo; otherwise the case is skipped."""
    run: Callable[[Any], None]
    """Takes the target; raises :class:`Failure` or :class:`Skip`."""


def case(
    service: Service | Literal["every"], group: Group, level: Level = "core", *, capability: str = ""
) -> Callable[[Callable[[T], None]], Case]:
    """Make a function of a target a case of ``service``; ValueError if it says nothing of itself."""

    def register(run: Callable[[T], None]) -> Case:
        sentence, _, procedure = inspect.cleandoc(run.__doc__ or "").partition("\n")
        if not sentence or not procedure.strip():
            raise ValueError(
                f"{run.__name__}: its docstring is incomplete; expected a sentence, an empty line, a procedure"
            )
        services = SERVICES if service == "every" else (service,)
        return Case(run.__name__, sentence, procedure.strip(), group, level, services, capability, run)

    return register


def require(condition: object, sentence: str) -> None:
    """Fail with ``sentence``, which says what was wrong and what was expected, unless the condition holds."""
    if not condition:
        raise Failure(sentence)


@contextmanager
def refused(what: str, code: grpc.StatusCode, *names: str) -> Iterator[list[grpc.RpcError]]:
    """The block must end with the status ``code`` and details that hold all of ``names``; the list gets the error."""
    errors: list[grpc.RpcError] = []
    try:
        yield errors
    except grpc.RpcError as error:
        found, details = error.code(), error.details() or ""
        require(found == code, f"{what}: {found.name} ({details}); expected {code.name}")
        for name in names:
            require(name.lower() in details.lower(), f'{what}: the details "{details}" do not name {name}')
        errors.append(error)
        return
    raise Failure(f"{what}: accepted; expected {code.name}")
