"""Checkpoints that are never torn and hold only finite numbers: written aside, synced, renamed, verified when read.

    generation = raise_generation(directory)        # before a socket opens
    store = CheckpointStore(directory, keep=3)
    found = store.latest()                          # None in a new run
    store.save(State(counters, tensors), config.to_yaml())

A checkpoint is a directory ``checkpoint-00000042`` with ``counters.json``, ``config.yaml``, one safetensors file for
each group of tensors, and ``manifest.json`` with the SHA-256 of each of these. Nothing is pickled: a
``torch.Generator`` is saved as its state, a uint8 tensor; a NumPy generator as ``bit_generator.state``, which goes into
the counters.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from spiral.computing.finite import require_finite
from spiral.runs.checkpoint_reading import CheckpointError, read_newest
from spiral.runs.manifests import FORMAT, MANIFEST, checkpoints_in, parse_json
from spiral.values import strict_json

_GROUP = re.compile(r"[a-z][a-z0-9_-]*")
_LEFT_OVER = re.compile(r"(writing|removing)-\d{8}")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class State:
    """The content of a checkpoint: values that fit JSON, and groups of named tensors on the CPU."""

    counters: dict[str, Any]
    tensors: dict[str, dict[str, Tensor]]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A whole checkpoint that was read."""

    path: Path
    state: State
    config: str
    """The configuration that it was made with, YAML."""
    skipped: tuple[str, ...]
    """What is wrong with each newer one, one sentence each; empty: this is the newest."""


class CheckpointStore:
    """The newest ``keep`` checkpoints of one service in one directory."""

    def __init__(self, directory: Path, keep: int) -> None:
        """Raises CheckpointError if the directory can't be created or written to, ValueError if ``keep`` < 1."""
        if keep < 1:
            raise ValueError(f"keep: {keep} checkpoints would leave none; expected at least 1")
        self._directory, self._keep = directory, keep
        self._damaged: list[Path] = []
        try:
            directory.mkdir(parents=True, exist_ok=True)
            for left_over in directory.iterdir():
                if _LEFT_OVER.fullmatch(left_over.name) and _is_folder(left_over):
                    shutil.rmtree(left_over)
        except OSError as error:
            raise _cannot("use", directory, error) from error
        if not os.access(directory, os.W_OK | os.X_OK):
            raise CheckpointError(f"checkpoints: {directory} is not writable; allow writing or name another directory")

    def save(self, state: State, config: str) -> Path:
        """Write a checkpoint. When this returns, it is completely on the disk; older ones beyond ``keep`` are removed.

        Raises CheckpointError if it can't be written (disk full, read-only) or if something in it is not finite;
        earlier checkpoints stay as they are.
        """
        for group in state.tensors:
            if not _GROUP.fullmatch(group):
                raise ValueError(f'group: "{group}" does not make a file name; expected letters, digits, - and _')
        try:
            counters = strict_json.exact(state.counters, indent=1).encode()
            for group, tensors in state.tensors.items():
                require_finite(tensors, group)
        except ValueError as error:
            raise CheckpointError(f"checkpoints: this one is not written, the last one stays: {error}") from error
        number = self._free_number()
        final = self._directory / f"checkpoint-{number:08d}"
        aside = self._directory / f"writing-{number:08d}"
        try:
            aside.mkdir()
            contents = {
                "counters.json": counters,
                "config.yaml": config.encode(),
                **{f"{group}.safetensors": _pack(tensors) for group, tensors in state.tensors.items()},
            }
            for name, content in contents.items():
                _write(aside / name, content)
            files = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
            _write(aside / MANIFEST, strict_json.exact({"format": FORMAT, "sha256": files}, indent=1).encode())
            _sync_directory(aside)
            aside.rename(final)
            _sync_directory(self._directory)
        except OSError as error:
            shutil.rmtree(aside, ignore_errors=True)
            raise _cannot("write", final, error) from error
        self._remove_old()
        return final

    def latest(self) -> Checkpoint | None:
        """Read the newest whole checkpoint; None if there has never been one.

        A damaged one is skipped for the one before, with a warning in the log and in ``skipped``.
        Raises CheckpointError if there are checkpoints but none is whole: that is not a new run.
        """
        self._damaged.clear()
        return _latest(self._directory, self._damaged.append)

    def _free_number(self) -> int:
        """The number after the newest whole checkpoint's, or the next one whose name is free."""
        number = 1 + max((int(path.name[-8:]) for path in self._whole()), default=0)
        while any(os.path.lexists(self._directory / f"{name}-{number:08d}") for name in ("checkpoint", "writing")):
            number += 1
        return number

    def _whole(self) -> list[Path]:
        """Checkpoints not known to be damaged, oldest first."""
        return [path for path in checkpoints_in(self._directory) if path not in self._damaged]

    def _remove_old(self) -> None:
        """Keep the newest ``keep`` whole ones. A failure to remove is no reason to stop."""
        for path in (*self._damaged, *self._whole()[: -self._keep]):
            # Renamed first, so that an interrupted removal is not taken for a checkpoint.
            aside = path.with_name(f"removing-{path.name[-8:]}")
            try:
                if path.is_symlink():  # its target belongs to someone else
                    path.unlink()
                    continue
                path.rename(aside)
                shutil.rmtree(aside)
            except OSError as error:
                log.warning("the old checkpoint %s can't be removed: %s", path, error)
        self._damaged.clear()


def read_latest(directory: Path) -> Checkpoint | None:
    """Read as :meth:`CheckpointStore.latest` does, but change nothing, so that a service may be writing there.

    None if there is no checkpoint or no such directory; raises CheckpointError if none is whole.
    """
    return _latest(directory, lambda damaged: None)


def raise_generation(directory: Path) -> int:
    """Add 1 to the generation (from 1) in ``directory/generation`` and return it; by then it is on the disk.

    Raises CheckpointError if it can't be read or written.
    """
    path = directory / "generation"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        text = path.read_text(errors="replace") if path.exists() else "0"
        if not text.strip().isascii() or not text.strip().isdigit():
            raise CheckpointError(
                f'generation: {path} holds "{text[:40]}"; expected a whole number: '
                "write one into it that is larger than any generation before"
            )
        generation = int(text) + 1
        aside = directory / "writing-generation"
        _write(aside, f"{generation}\n".encode())
        aside.rename(path)
        _sync_directory(directory)
    except OSError as error:
        raise _cannot("write", path, error) from error
    return generation


def pack_optimiser(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state of each parameter as ``"0.exp_avg"`` and so on, copied to the CPU, without the optimizer's settings."""
    state: dict[int, dict[str, Any]] = optimiser.state_dict()["state"]
    return {
        f"{parameter}.{name}": torch.as_tensor(value).detach().cpu().clone()
        for parameter, values in state.items()
        for name, value in values.items()
        if value is not None
    }


def unpack_optimiser(optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Put a packed state back into an optimizer over the same parameters.

    Raises ValueError if the parameters' number or shapes differ.
    """
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        position, _, part = name.partition(".")
        if int(position) >= len(parameters) or (value.ndim and value.shape != parameters[int(position)].shape):
            raise ValueError(
                f"optimizer: {name} of shape {list(value.shape)} fits none of this optimizer's "
                f"{len(parameters)} parameters"
            )
        state.setdefault(int(position), {})[part] = value.clone()
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _latest(directory: Path, damaged: Callable[[Path], None]) -> Checkpoint | None:
    """The newest whole checkpoint; ``damaged`` is called for each newer one that is not whole."""
    found = read_newest(directory, _parse, damaged)
    return None if found is None else Checkpoint(found.path, *found.content, found.skipped)


def _pack(tensors: dict[str, Tensor]) -> bytes:
    packed: bytes = safetensors.torch.save({name: tensor.contiguous() for name, tensor in tensors.items()})
    return packed


def _parse(contents: Mapping[str, bytes]) -> tuple[State, str]:
    """A checkpoint's content; ValueError, KeyError or AttributeError if it is not what was written."""
    try:
        tensors = {
            name.removesuffix(".safetensors"): safetensors.torch.load(content)
            for name, content in contents.items()
            if name.endswith(".safetensors")
        }
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    for group, tensors_of_group in tensors.items():
        require_finite(tensors_of_group, group)
    return State(parse_json(contents["counters.json"]), tensors), contents["config.yaml"].decode()


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    """Flush the directory's entries to the disk: otherwise a power failure may lose a rename."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot(verb: str, path: Path, error: OSError) -> CheckpointError:
    return CheckpointError(
        f"checkpoints: can't {verb} {path}: {error.strerror or error}; expected a writable directory with free space"
    )
