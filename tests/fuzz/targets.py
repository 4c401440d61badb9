"""Everything that reads bytes from outside, each as a function of bytes that may raise its declared errors alone.

A target is used three ways: the tests replay its corpus and bend it with Hypothesis; ``python -m tests.fuzz`` fuzzes
it by coverage; and what that finds is added to its corpus.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import logging
import struct
import tempfile
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError

from spiral.datasets.arrays import map_array, read_arrays
from spiral.datasets.idx import read_idx
from spiral.engines.programs import Program
from spiral.policy.weights import parse_weights
from spiral.runs.checkpoint_reading import CheckpointError
from spiral.runs.checkpoints import read_latest
from spiral.services.actor.learner_session import ContractError, LearnerSession
from spiral.services.actor.weights import WeightsError, assemble
from spiral.v1.learner_pb2 import GetWeightsResponse
from spiral.v1.renderer_pb2 import DescribeEngineResponse
from spiral.v1.tensor_pb2 import Tensor
from spiral.v1.trajectory_pb2 import LearnerMessage
from spiral.values.trajectories import TrajectoryContract
from spiral.wire import tensors
from spiral.wire.contract import spec_from_proto
from tests.fuzz import corpus
from tests.support.trajectory_messages import CONTRACT, SPEC, VERSION, hello, make_admission, make_trajectory

SLACK_BYTES = 48 << 20
"""What an interpreter may take beside what a target reads: caches, imports on first use, freed memory that it keeps."""
SMALL_BYTES = 1 << 20
"""Limit that the file readers are given, so that a file that goes beyond it is small enough to be tried."""


@dataclass(frozen=True, slots=True)
class Target:
    """One reader of bytes."""

    name: str
    run: Callable[[bytes], None]
    """Reads the bytes; raises what the reader does not declare."""
    limit_bytes: int
    """Most memory that reading may take beside the bytes themselves, by the reader's declaration."""

    @property
    def corpus(self) -> list[bytes]:
        """The inputs that are kept, in the order of their names."""
        return list(corpus.read(self.name).values())


def split(data: bytes) -> list[bytes]:
    """Bytes as parts, each after its length in two bytes; what is cut off ends the last."""
    parts = []
    while len(data) >= 2:
        (length,) = struct.unpack_from("<H", data)
        parts.append(data[2 : 2 + length])
        data = data[2 + length :]
    return parts


def join(parts: list[bytes]) -> bytes:
    """The inverse of :func:`split`."""
    return b"".join(struct.pack("<H", len(part)) + part for part in parts)


CUT = TrajectoryContract(SPEC, (4, 4, 1), num_actions=5, conditional=True, noise=2, unroll=2, state=3)
"""A contract with every tensor there is."""


def trajectory(data: bytes, contract: TrajectoryContract = CONTRACT) -> None:
    """The learner takes a message of several frames: it never raises, answers once, promises no more than it has."""
    admission = make_admission(contract)
    admission.receive(b"peer", hello(digest=contract.digest))
    decision = admission.receive(b"peer", [memoryview(part) for part in split(data)])
    own = [message for peer, message in decision.replies if peer == b"peer"]
    assert len(own) == 1, decision
    assert admission.queued + admission.outstanding <= admission.slots.count
    assert (decision.admitted is not None) == (admission.queued == 1)


def unroll(data: bytes) -> None:
    """The same where episodes are cut and the policy has noise and a memory."""
    trajectory(data, CUT)


def learner_message(data: bytes) -> None:
    """The actor takes messages of the learner, with a trajectory at hand."""
    machine = LearnerSession("a", 7, CONTRACT.digest)
    machine.connected(0.0)
    machine.offer(make_trajectory(), VERSION, VERSION, 0.5, 0.0)
    for now, part in enumerate(split(data)):
        try:
            machine.receive(LearnerMessage.FromString(part), float(now))
            machine.tick(float(now))
        except (DecodeError, ContractError):
            return


def tensor(data: bytes) -> None:
    """Whoever takes an array out of a message, of any type the wire has."""
    try:
        message = Tensor.FromString(data)
    except DecodeError:
        return
    for dtype in (np.uint8, np.int32, np.int64, np.float32):
        try:
            array = tensors.decode(message, "fuzzed", dtype, [None] * min(len(message.shape), 40))
        except tensors.TensorError:
            continue
        assert array.nbytes == len(message.data)
        assert array.shape == tuple(message.shape)


def description(data: bytes) -> None:
    """The learner and the actor read a renderer's action spec."""
    try:
        spec_from_proto(DescribeEngineResponse.FromString(data).action_spec)
    except (DecodeError, ValueError):
        return


def weights(data: bytes) -> None:
    """The actor puts weights together from chunks, and reads them."""

    async def responses() -> AsyncIterator[GetWeightsResponse]:
        for part in split(data):
            yield GetWeightsResponse.FromString(part)

    try:
        answer = asyncio.run(assemble(responses()))
        if answer is not None:
            parse_weights(answer[1])
    except (DecodeError, WeightsError, ValueError):
        return


def tensors_file(data: bytes) -> None:
    """Weights as a file."""
    try:
        parse_weights(data)
    except ValueError:
        return


def program(data: bytes) -> None:
    """A program file; what is read is written and read again the same."""
    try:
        read = Program.from_json(data)
    except ValueError:
        return
    assert Program.from_json(read.to_json()) == read


def checkpoint(data: bytes) -> None:
    """A checkpoint of up to four files. The parts: manifest, counters, configuration, tensors; with no manifest there
    the right one is made, so that what is behind it is reached."""
    parts = (split(data) + [b""] * 4)[:4]
    names = ("counters.json", "config.yaml", "policy.safetensors")
    right = {name: hashlib.sha256(part).hexdigest() for name, part in zip(names, parts[1:], strict=True)}
    manifest = parts[0] or json.dumps({"format": 1, "sha256": right}).encode()
    with tempfile.TemporaryDirectory(dir=_scratch()) as folder:
        path = Path(folder) / "checkpoint-00000001"
        path.mkdir()
        for name, content in zip(("manifest.json", *names), (manifest, *parts[1:]), strict=True):
            (path / name).write_bytes(content)
        try:
            read_latest(Path(folder))
        except CheckpointError:
            return


def idx(data: bytes) -> None:
    """MNIST's files, plain and compressed."""
    for axes in (1, 3):
        with _file(data) as file:
            try:
                read = read_idx(file, axes, SMALL_BYTES)
            except ValueError:
                continue
            assert read.array.nbytes <= SMALL_BYTES


def npz(data: bytes) -> None:
    """Packed sets. The first byte says whether a zip follows or an array for one."""
    content = data[1:]
    if data[:1] == b"a":
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("images.npy", content)
        content = packed.getvalue()
    with _file(content) as file:
        try:
            arrays = read_arrays(file, {"images": (np.uint8, 3)}, SMALL_BYTES)
        except ValueError:
            return
        assert arrays["images"].nbytes <= SMALL_BYTES


def npy(data: bytes) -> None:
    """Arrays that are mapped into memory, not read."""
    with _file(data) as file:
        try:
            map_array(file, np.uint8, 2)
        except ValueError:
            return


def _scratch() -> str | None:
    # In memory where that is to be had: a fuzzer writes a thousand files a second.
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


class _file:  # noqa: N801  # reads as a function
    """A file with a content, as long as the block lasts."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def __enter__(self) -> Path:
        self._file = tempfile.NamedTemporaryFile(dir=_scratch())
        self._file.write(self._content)
        self._file.flush()
        return Path(self._file.name)

    def __exit__(self, *_: object) -> None:
        self._file.close()


TARGETS = {
    target.name: target
    for target in (
        Target("trajectory", trajectory, SMALL_BYTES),
        Target("unroll", unroll, SMALL_BYTES),
        Target("learner_message", learner_message, SMALL_BYTES),
        Target("tensor", tensor, SMALL_BYTES),
        Target("description", description, SMALL_BYTES),
        Target("weights", weights, SMALL_BYTES),
        Target("tensors_file", tensors_file, SMALL_BYTES),
        Target("program", program, 16 << 20),
        Target("checkpoint", checkpoint, SMALL_BYTES),
        Target("idx", idx, SMALL_BYTES),
        Target("npz", npz, SMALL_BYTES),
        Target("npy", npy, SMALL_BYTES),
    )
}


class MemoryWatch:
    """How far the peak of the process's memory goes beyond what it had."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")
        self._before = self._status("VmRSS")

    def grown_bytes(self) -> int:
        """Bytes at the peak since the start beyond those at the start."""
        return self._status("VmHWM") - self._before

    @staticmethod
    def _status(name: str) -> int:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) << 10
        raise OSError(f"/proc/self/status: there is no {name}")


def check(target: Target, data: bytes) -> None:
    """Run a target on bytes; AssertionError if it takes more memory than it may, besides what it lets out itself."""
    watch = MemoryWatch()
    target.run(data)
    grown, limit = watch.grown_bytes(), target.limit_bytes + 4 * len(data) + SLACK_BYTES
    assert grown <= limit, (
        f"{target.name}: {grown} bytes of memory for an input of {len(data)}; expected at most {limit}"
    )


def silenced() -> None:
    """Keep the readers' warnings to themselves: each input is expected to be complained about."""
    logging.disable(logging.CRITICAL)


def all_inputs() -> Iterator[tuple[Target, bytes]]:
    """Every kept input with its target."""
    for target in TARGETS.values():
        for data in target.corpus:
            yield target, data
