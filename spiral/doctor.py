"""Examines this machine: what training needs, whether it is present, and how to get it."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal

from spiral.computing.machine import cpu_flags, usable_cores, usable_memory_bytes
from spiral.extras import to_install
from spiral.values.finding import Finding
from spiral.wire.addresses import MAX_SOCKET_PATH_BYTES
from spiral.wire.edges import DATA_PORT, PORTS

ENOUGH_MEMORY_BYTES = 3 << 30
"""The four services of the demo take about half of it."""
ENOUGH_DISK_BYTES = 1 << 30
MATRIX = 512
"""Side of the matrices that are multiplied: large enough to be limited by arithmetic, yet done in milliseconds."""


def examine(runs: Path) -> Iterator[Finding]:
    """Examine everything, one finding after the other; slow checks come last."""
    examinations: list[Callable[[], Iterator[Finding]]] = [
        _python,
        _packages,
        _engines,
        _sockets,
        _ports,
        lambda: _folder(runs),
        lambda: _ink(runs),
        _cores,
        _memory,
        _torch,
    ]
    for examination in examinations:
        yield from examination()


def _python() -> Iterator[Finding]:
    # pip installs nothing on an older one, so it is new enough wherever this runs.
    yield Finding("Python", "good", f"{sys.version.split()[0]} ({sys.executable})")


def _packages() -> Iterator[Finding]:
    missing = []
    for name in ("grpcio", "protobuf", "pyzmq", "pydantic", "matplotlib", "safetensors", "tensorboardX"):
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    stubs = Path(__file__).parent / "v1" / "trajectory_pb2.py"
    if missing:
        yield Finding("packages", "bad", f"missing: {', '.join(missing)}", "make setup")
    elif not stubs.is_file():
        yield Finding("packages", "bad", "the protobuf stubs are not built", "make setup")
    else:
        yield Finding("packages", "good", f"grpcio {importlib.metadata.version('grpcio')} and all others are installed")


def _engines() -> Iterator[Finding]:
    from spiral.engines import EngineMissingError  # noqa: PLC0415
    from spiral.engines.registry import names, plugin  # noqa: PLC0415

    for name in names():
        try:
            yield from plugin(name).examine()
        except EngineMissingError as error:
            yield Finding(name, "bad", str(error), "fix or uninstall that package")
        except Exception as error:  # the check of a foreign engine may raise anything
            yield Finding(name, "bad", f"its check failed: {type(error).__name__}: {error}")


def _sockets() -> Iterator[Finding]:
    folder = tempfile.mkdtemp(prefix="spiral-")
    path = f"{folder}/{'x' * 20}.sock"
    try:
        with closing(socket.socket(socket.AF_UNIX)) as server:
            server.bind(path)
        yield Finding("sockets", "good", f"Unix sockets work in {tempfile.gettempdir()}")
    except OSError as error:
        why = f"{error.strerror or error} (a path has at most {MAX_SOCKET_PATH_BYTES} bytes)"
        yield Finding(
            "sockets", "bad", f"no Unix socket in {folder}: {why}", "set TMPDIR to a short path on a local disk"
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ports() -> Iterator[Finding]:
    taken = []
    for name, port in {**PORTS, "learner data": DATA_PORT}.items():
        with closing(socket.socket()) as server:
            # As servers do: a port in TIME_WAIT after its last owner counts as free.
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                server.bind(("127.0.0.1", port))
            except OSError:
                taken.append(f"{port} ({name})")
    if taken:
        text = f"in use: {', '.join(taken)}"
        yield Finding("ports", "poor", text, "spiral train needs none; start separate services with another --listen")
    else:
        yield Finding("ports", "good", "the services' default ports are free")


def _folder(runs: Path) -> Iterator[Finding]:
    place = runs.absolute()
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK | os.X_OK):
        yield Finding("runs", "bad", f"{place} is not writable", "choose another folder with --runs")
        return
    free = shutil.disk_usage(place).free
    state: Literal["good", "poor"] = "good" if free >= ENOUGH_DISK_BYTES else "poor"
    yield Finding("runs", state, f"{free / 2**30:.1f} GiB free for {runs}", "" if state == "good" else "make room")


def _ink(runs: Path) -> Iterator[Finding]:
    """Runs whose engine leaves nothing on the canvas; no finding if there are none."""
    from spiral.engines import EngineMissingError, create  # noqa: PLC0415
    from spiral.engines.ink import leaves_ink  # noqa: PLC0415
    from spiral.engines.registry import plugin  # noqa: PLC0415
    from spiral.runs.directory import list_runs  # noqa: PLC0415

    leave: dict[str, bool] = {}
    for run in list_runs(runs):
        try:
            engine = run.config().engine
            key = f"{engine.name} {sorted(engine.settings.items())}"
            leave[key] = leave[key] if key in leave else leaves_ink(create(engine.name, engine.settings))
        except (
            OSError,
            ValueError,
            MemoryError,
            EngineMissingError,
        ):  # other findings, and its start, say what is wrong
            continue
        if not leave[key]:
            said, remedy = plugin(engine.name).blank(engine.settings)
            yield Finding("ink", "poor", f"run {run.name}: {said}", remedy)


def _cores() -> Iterator[Finding]:
    cores, present = usable_cores(), os.cpu_count() or 1
    text = f"{cores} of {present} may be used" if cores < present else f"{cores}"
    if cores >= 2:
        yield Finding("cores", "good", text)
    else:
        yield Finding("cores", "poor", text, "training works, but at half the speed of two cores")


def _memory() -> Iterator[Finding]:
    memory = usable_memory_bytes()
    if memory >= ENOUGH_MEMORY_BYTES:
        yield Finding("memory", "good", f"{memory / 2**30:.1f} GiB")
    else:
        text = f"{memory / 2**30:.1f} GiB"
        yield Finding("memory", "poor", text, f"{ENOUGH_MEMORY_BYTES >> 30} GiB are comfortable; close other programs")


def _torch() -> Iterator[Finding]:
    try:
        import torch  # noqa: PLC0415
    except ImportError as error:
        yield Finding("torch", "bad", f"can't be imported: {error}", f"make setup, or {to_install('train')}")
        return
    flags = cpu_flags()
    known = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "bf16", "asimd") if name in flags]
    yield Finding(
        "torch",
        "good",
        f"{torch.__version__}, {torch.get_num_threads()} threads, {' '.join(known) or 'no vector units known'}",
    )
    full, half = _multiply_s(torch.float32), _multiply_s(torch.bfloat16)
    verdict = "faster" if half < full else "slower"
    factor = max(full, half) / min(full, half)
    compared = f"bfloat16 is {factor:.1f}× {verdict} than float32 here"
    yield Finding("precision", "good", f"{compared}; each run times its own updates and uses the faster precision")
    if torch.cuda.is_available():
        name, memory = torch.cuda.get_device_name(0), torch.cuda.get_device_properties(0).total_memory
        yield Finding("GPU", "good", f"{name}, {memory / 2**30:.0f} GiB")
    else:
        yield Finding("GPU", "good", "none; the presets demo and mnist are made for CPUs")


def _multiply_s(dtype: object) -> float:
    """Shortest time of a matrix product, seconds."""
    import torch  # noqa: PLC0415

    a = torch.ones(MATRIX, MATRIX).to(dtype)  # type: ignore[call-overload]
    times = []
    for _ in range(5):
        began = time.perf_counter()
        torch.mm(a, a)
        times.append(time.perf_counter() - began)
    return float(min(times))
