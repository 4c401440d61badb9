"""The program ``spiral``: its commands, and how errors end.

An error that the user can correct is one sentence on standard error and exit code 2. A failure with another known
reason is a sentence and exit code 1. Only a fault in the program itself shows a traceback.
"""

from __future__ import annotations

import atexit
import errno
import gc
import os
import sys
from collections.abc import Sequence

import typer

from spiral.cli import (
    certs,
    conformance,
    data,
    doctor,
    evaluate,
    k8s,
    models,
    paint,
    reconstruct,
    render,
    status,
    train,
    version,
)

app = typer.Typer(
    name="spiral",
    help="An agent learns to paint: it writes programs of brush commands, and a discriminator scores the pictures.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("train")(train.train)
app.command("paint")(paint.paint)
app.command("reconstruct")(reconstruct.reconstruct)
app.command("render")(render.render)
app.command("eval")(evaluate.evaluate)
app.command("status")(status.status)
app.command("doctor")(doctor.doctor)
app.command("certs")(certs.certs)
app.command("conformance")(conformance.conformance)
app.command("version")(version.version)
app.add_typer(data.app, name="data")
app.add_typer(models.app, name="models")
app.add_typer(k8s.app, name="k8s")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    # At exit the collector looks through everything that torch made, several times: a second or two.
    atexit.register(gc.freeze)
    # pydantic reads this when it is imported: nothing here has plugins for it, and to look for them in every package
    # that is installed takes up to a tenth of a second.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        code = app(args=None if argv is None else list(argv), prog_name="spiral", standalone_mode=False)
    except typer.TyperException as error:
        return _refuse(getattr(error, "format_message", error.__str__)(), 2)
    except (typer.Abort, KeyboardInterrupt):
        return _refuse("stopped", 130)
    except ValueError as error:
        return _refuse(str(error), 2)
    except (OSError, MemoryError) as error:
        return _refuse(*_from_the_system(error))
    except RuntimeError as error:
        if not _is_known(error):
            raise
        return _refuse(str(error), 1)
    return code if isinstance(code, int) else 0


def _from_the_system(error: OSError | MemoryError) -> tuple[str, int]:
    """The sentence and the exit code."""
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return f"{error.filename}: the name is too long; expected what the file system can hold", 2
    return str(error) or "there is not enough memory", 1


def _is_known(error: RuntimeError) -> bool:
    """Whether the message was written for the user. Called only after an error, because it imports."""
    from spiral.engines.interface import EngineMissingError  # noqa: PLC0415

    known: list[type[BaseException]] = [EngineMissingError]
    if "spiral.runs.checkpoint_reading" in sys.modules:
        from spiral.runs.checkpoint_reading import CheckpointError  # noqa: PLC0415

        known.append(CheckpointError)
    return isinstance(error, tuple(known))


def _refuse(text: str, code: int) -> int:
    print(f"spiral: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
