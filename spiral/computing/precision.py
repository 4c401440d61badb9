"""The precision in which a network is trained: as asked for, as the run began, or as is faster on this machine.

``bf16`` is mixed precision: matrix products and convolutions of an update use bfloat16; weights, probabilities,
importance weights, losses and the optimizer stay float32. So do the pass of a gradient penalty (a gradient of
gradients) and all scores, because rewards are their differences. Actors paint in float32: importance weights divide by
their probabilities, and with 64 canvases a step has little to multiply.

With ``auto``, learner and discriminator each time one of their updates in both precisions before anything is learned,
and take bfloat16 if it is fast enough to be worth it (``MARGIN``). On a processor, processor time counts, because
other processes slow both by chance. If the timings do not agree, the run computes in float32. A processor without
instructions for bfloat16 is not timed. The choice and its reason are kept in the run's directory, separately for each
service. They hold for this run on this type of device, because a resumed run should learn as it did before. Lockstep
measures nothing and computes in float32.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from spiral.computing.divergence import DivergedError
from spiral.computing.machine import cpu_flags
from spiral.computing.paired_timing import compare
from spiral.values import strict_json
from spiral.values.atomic_file import atomic_write

Name = Literal["fp32", "bf16"]
PrecisionOption = Literal["auto", "fp32", "bf16"]

NATIVE = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""Instructions of x86 and Arm that multiply bfloat16; without one of them it is emulated, several times slower."""
MARGIN = 1.15
"""bfloat16 has 8 bits of mantissa and float32 has 24; it must be this many times as fast to be worth the loss."""


@dataclass(frozen=True, slots=True)
class Precision:
    """How the updates of a network are computed."""

    name: Name
    device: str = "cpu"
    """Device type, ``cpu`` or ``cuda``."""

    def autocast(self) -> AbstractContextManager[object]:
        """The context for a forward pass."""
        return nullcontext() if self.name == "fp32" else torch.autocast(self.device, dtype=torch.bfloat16)


FP32 = Precision("fp32")
"""The precision of lockstep."""

Step = Callable[[], object]
"""One training update on copies, whose result is thrown away."""


@dataclass(frozen=True, slots=True)
class PrecisionChoice:
    """A precision, and the reason for it in words."""

    precision: Precision
    why: str

    def __str__(self) -> str:
        return f"trains in {self.precision.name} on {self.precision.device}: {self.why}"


def choose_precision(
    wanted: PrecisionOption,
    device: torch.device,
    file: Path,
    step_in: Callable[[Precision], Step],
    clock: Callable[[], float] | None = None,
    flags: frozenset[str] | None = None,
) -> PrecisionChoice:
    """The precision to train in; it is then stored in ``file``.

    The ``wanted`` precision comes first, then that of the file for this type of device, then the faster one.
    ``step_in`` makes a step to time; ``flags`` are the processor's instruction sets (None: those of this machine). If a
    step diverges, nothing is measured or stored; the run itself will report it. ValueError if the device does not
    support what is wanted, OSError if the file can't be written.
    """
    kept = _read(file, device) if wanted == "auto" else None
    if kept is not None:
        return PrecisionChoice(kept, "as when the run began")
    if wanted != "auto":
        choice = PrecisionChoice(_asked(wanted, device), "as asked for")
    elif not _native(device, cpu_flags() if flags is None else flags):
        choice = PrecisionChoice(Precision("fp32", device.type), "there are no instructions for bfloat16")
    else:
        try:
            choice = _measure(device, step_in, clock or _clock(device))
        except DivergedError:
            return PrecisionChoice(Precision("fp32", device.type), "an update diverges, so it was not measured")
    _write(file, choice)
    return choice


def _asked(wanted: Name, device: torch.device) -> Precision:
    if wanted == "bf16" and device.type == "cuda" and not _native(device, frozenset()):
        raise ValueError(
            f'precision: "bf16" is not in {torch.cuda.get_device_name(device)}, which would emulate it; '
            'expected "fp32" or "auto"'
        )
    return Precision(wanted, device.type)


def _native(device: torch.device, flags: frozenset[str]) -> bool:
    """Whether the device has instructions that multiply bfloat16."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(flags & NATIVE)


def _clock(device: torch.device) -> Callable[[], float]:
    return time.process_time if device.type == "cpu" else time.perf_counter


def _measure(device: torch.device, step_in: Callable[[Precision], Step], clock: Callable[[], float]) -> PrecisionChoice:
    plain, mixed = (_timed(step_in(Precision(name, device.type)), device, clock) for name in ("fp32", "bf16"))
    measured = compare(plain, mixed, MARGIN)
    name: Name = "bf16" if measured.faster else "fp32"
    times = "an update takes {:.3g} ms in fp32, {:.3g} ms in bf16".format(*(1e3 * s for s in measured.medians()))
    agreed = "" if measured.faster is not None else ", but the timings do not agree"
    return PrecisionChoice(Precision(name, device.type), f"{times} (medians of {len(measured.first)} each){agreed}")


def _timed(step: Step, device: torch.device, clock: Callable[[], float]) -> Callable[[], float]:
    def timed() -> float:
        start = clock()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return clock() - start

    return timed


def _read(file: Path, device: torch.device) -> Precision | None:
    """The earlier choice for this type of device; None if there is none that can be read."""
    try:
        kept = json.loads(file.read_text())
        name = kept["precision"] if kept["device"] == device.type else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Precision(name, device.type) if name in {"fp32", "bf16"} else None


def _write(file: Path, choice: PrecisionChoice) -> None:
    facts = {"precision": choice.precision.name, "device": choice.precision.device, "why": choice.why}
    with atomic_write(file) as aside:
        aside.write_text(strict_json.report(facts, indent=1) + "\n")
