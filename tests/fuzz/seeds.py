"""The first inputs of each target's corpus: right ones, and the traps that the formats are known for.

``python -m tests.fuzz.seeds`` adds them to ``corpus/``.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import struct
import zipfile

import numpy as np
import torch

from spiral.engines.programs import Program
from spiral.policy.weights import dump_weights
from spiral.services.learner.publisher import Weights, _encode
from spiral.v1.renderer_pb2 import DescribeEngineResponse
from spiral.v1.trajectory_pb2 import (
    ActorMessage,
    Answer,
    Heartbeat,
    LearnerMessage,
    Refused,
    TrajectoryHeader,
    Welcome,
)
from spiral.wire import tensors
from spiral.wire.contract import spec_to_proto, version_to_proto
from tests.fuzz import corpus
from tests.fuzz.targets import CUT, join
from tests.support.trajectory_messages import BATCH, GOOD, REFUSED, SPEC, VERSION, hello

DEEP = b"[" * 100_000
"""JSON deeper than an interpreter's stack."""


def _learner_messages() -> list[list[LearnerMessage]]:
    version = version_to_proto(VERSION)
    welcome = LearnerMessage(welcome=Welcome(version=version, credits=2, max_message_bytes=1 << 20))
    return [
        [welcome, LearnerMessage(answer=Answer(incarnation=7, sequence=1, verdict=1, version=version, credits=1))],
        [welcome, LearnerMessage(heartbeat=Heartbeat(version=version, credits=1 << 31))],
        [welcome, LearnerMessage(answer=Answer(incarnation=7, sequence=1, verdict=3, reason=10, version=version))],
        [LearnerMessage(refused=Refused(reason=11, detail="stopping")), welcome],
        [LearnerMessage(welcome=Welcome(version=version, credits=1, max_message_bytes=1))],
    ]


def _unroll(start: int) -> bytes:
    """A message of the contract that has every tensor."""
    rng = np.random.default_rng(start + 2)
    arrays = {name: np.zeros(shape, kind) for name, (kind, shape) in CUT.tensors(BATCH).items()}
    arrays["observations"][:] = rng.integers(0, 256, arrays["observations"].shape)
    arrays["first_step"][:] = start
    header = TrajectoryHeader(
        actor_id="a",
        incarnation=7,
        sequence=1,
        contract_digest=CUT.digest,
        oldest_version=version_to_proto(VERSION),
        newest_version=version_to_proto(VERSION),
        tensors=[tensors.spec_of(name, array) for name, array in arrays.items()],
    )
    first = ActorMessage(trajectory=header).SerializeToString()
    return join([first, *(bytes(tensors.frame_of(array)) for array in arrays.values())])


def _npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array(out, array, allow_pickle=False)
    return out.getvalue()


def _npy_header(header: str, body: bytes = b"") -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + body


def _npz(content: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        # Not the present time, so that the seeds are the same whenever they are made.
        archive.writestr(zipfile.ZipInfo("images.npy"), content, method)
    return out.getvalue()


def _encrypted(archive: bytes) -> bytes:
    """The flag of encryption set in both of the entry's headers."""
    changed = bytearray(archive)
    changed[6] |= 1
    changed[archive.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


def seeds() -> dict[str, dict[str, bytes]]:
    """Inputs by target and name."""
    small = np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4)
    packed = dump_weights({"layer.weight": torch.ones(2, 3), "layer.bias": torch.zeros(2)})
    messages = [response.SerializeToString() for response in _encode(Weights(VERSION, packed))]
    program = Program("mypaint", {"grid": 16}, np.array([[1, 2, 3], [0, 5, 1]]), 7, engine_version="1").to_json()
    counters, config = b'{"frames": 12, "rng": [1, 2]}', b"data: mnist-sample\n"
    files = {"counters.json": counters, "config.yaml": config, "policy.safetensors": packed}
    manifest = json.dumps(
        {"format": 1, "sha256": {n: hashlib.sha256(c).hexdigest() for n, c in files.items()}}
    ).encode()
    idx3 = struct.pack(">I3I", 0x803, 2, 4, 4) + small.tobytes()
    huge = "{'descr': '|u1', 'fortran_order': False, 'shape': (1099511627776, 1, 1), }"
    spec = DescribeEngineResponse(action_spec=spec_to_proto(SPEC), observation_shape=[4, 4, 1], canvas_shape=[4, 4, 1])
    return {
        "trajectory": {
            "right": join([bytes(frame) for frame in GOOD]),
            "hello": join([bytes(frame) for frame in hello()]),
            **{
                name.replace(" ", "-"): join([bytes(frame[:40_000]) for frame in frames])
                for name, (frames, _, _) in REFUSED.items()
                if sum(map(len, frames)) < 4096
            },
        },
        "unroll": {"first": _unroll(0), "last": _unroll(4), "no-multiple": _unroll(3), "negative": _unroll(-2)},
        "learner_message": {
            f"dialogue-{number}": join([message.SerializeToString() for message in dialogue])
            for number, dialogue in enumerate(_learner_messages())
        },
        "tensor": {
            dtype.name: tensors.encode(np.arange(6).reshape(2, 3).astype(dtype)).SerializeToString()
            for dtype in map(np.dtype, ("u1", "<i4", "<i8", "<f4"))
        },
        "description": {"right": spec.SerializeToString()},
        "weights": {"right": join(messages), "no-header": join(messages[1:]), "cut": join(messages[:-1])},
        "tensors_file": {"right": packed, "long-header": struct.pack("<Q", 1 << 60) + packed[8:]},
        "program": {
            "right": program.encode(),
            "deep": DEEP,
            "deep-setting": program.replace("16", "[" * 2000 + "]" * 2000).encode(),
            "many-findings": program.replace("[0, 5, 1]", ", ".join(["[-1, -1, -1]"] * 9000)).encode(),
        },
        "checkpoint": {
            "right": join([manifest, counters, config, packed]),
            "made": join([b"", counters, config, packed]),
            "deep-manifest": join([DEEP[:60_000]]),
            "deep-counters": join([b"", DEEP[:60_000], config, packed]),
            "list": join([b"[]"]),
            "other-file": join([json.dumps({"format": 1, "sha256": {"../x": "0"}}).encode()]),
            "no-utf8": join([b"", counters, b"\xff\xfe\xfa", packed]),
        },
        "idx": {
            "right": idx3,
            "gzip": gzip.compress(idx3, mtime=0),
            "labels": struct.pack(">II", 0x801, 3) + b"\1\2\3",
            "promises": struct.pack(">I3I", 0x803, 1 << 31, 1 << 31, 1 << 31),
            "bomb": gzip.compress(struct.pack(">I3I", 0x803, 1 << 9, 1 << 9, 4) + bytes(8 << 20), mtime=0),
        },
        "npz": {
            "right": b"z" + _npz(_npy(small)),
            "array": b"a" + _npy(small),
            "promises": b"a" + _npy_header(huge),
            "negative": b"a" + _npy_header(huge.replace("1099511627776", "-5")),
            "objects": b"a" + _npy_header(huge.replace("|u1", "|O")),
            "no-literal": b"a" + _npy_header("{'descr': (" * 20),
            "deep-header": b"a" + _npy_header("(" * 9000),
            "encrypted": b"z" + _encrypted(_npz(_npy(small))),
            "lzma": b"z" + _npz(_npy(small), zipfile.ZIP_LZMA),
            "bomb": b"z" + _npz(_npy(np.zeros((1, 8 << 10, 8 << 10), np.uint8))),
        },
        "npy": {
            "right": _npy(small.reshape(2, 16)),
            "promises": _npy_header(huge),
            "negative": _npy_header(huge.replace("1099511627776, 1, 1", "-1, -1")),
            "no-literal": _npy_header("{'descr': (" * 10),
            "empty": _npy(np.zeros((0, 4), np.uint8)),
        },
    }


if __name__ == "__main__":
    for target, inputs in seeds().items():
        corpus.add(target, inputs)
