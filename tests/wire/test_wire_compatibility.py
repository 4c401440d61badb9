"""The protocol only grows: what was released is understood as it was meant."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet

from tests.wire.breaking import breaks
from tests.wire.release import PROTOS, RELEASED, compiled


@pytest.fixture(scope="module")
def released() -> FileDescriptorSet:
    return FileDescriptorSet.FromString(RELEASED.read_bytes())


def test_nothing_that_was_released_has_changed(released: FileDescriptorSet) -> None:
    pytest.importorskip("grpc_tools.protoc")
    assert breaks(released, compiled()) == []


def test_buf_says_so_too() -> None:
    buf = shutil.which("buf") or shutil.which("buf", path=str(Path(sys.executable).parent))
    if buf is None:
        pytest.skip("buf is not installed; the comparison without it runs all the same")
    command = [buf, "breaking", "--against", str(RELEASED)]
    done = subprocess.run(command, cwd=PROTOS.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def message(files: FileDescriptorSet, name: str):
    return next(m for file in files.file for m in file.message_type if m.name == name)


def renumbered(files: FileDescriptorSet) -> None:
    message(files, "Version").field[1].number = 9


def removed(files: FileDescriptorSet) -> None:
    del message(files, "Tensor").field[2]


def renamed(files: FileDescriptorSet) -> None:
    message(files, "Answer").field[3].name = "why"


def retyped(files: FileDescriptorSet) -> None:
    message(files, "Hello").field[1].type = FieldDescriptorProto.TYPE_UINT64


def made_repeated(files: FileDescriptorSet) -> None:
    message(files, "Welcome").field[0].label = FieldDescriptorProto.LABEL_REPEATED


def taken_out_of_its_oneof(files: FileDescriptorSet) -> None:
    message(files, "ActorMessage").field[0].ClearField("oneof_index")


def enum_value_moved(files: FileDescriptorSet) -> None:
    enum = next(e for file in files.file for e in file.enum_type if e.name == "Verdict")
    enum.value[1].number = 7


def call_gone(files: FileDescriptorSet) -> None:
    service = next(s for file in files.file for s in file.service if s.name == "LearnerService")
    del service.method[0]


def call_no_stream(files: FileDescriptorSet) -> None:
    service = next(s for file in files.file for s in file.service if s.name == "RendererService")
    next(m for m in service.method if m.name == "Rollout").client_streaming = False


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (renumbered, "Version.number is gone"),
        (removed, "Tensor.data is gone"),
        (renamed, "Answer.reason is called why now"),
        (retyped, "Hello.incarnation has another type"),
        (made_repeated, "Welcome.version is repeated"),
        (taken_out_of_its_oneof, "ActorMessage.hello is in another oneof"),
        (enum_value_moved, "Verdict.VERDICT_ACCEPTED is not 1"),
        (call_gone, "LearnerService.GetWeights is gone"),
        (call_no_stream, "RendererService.Rollout takes or answers something else"),
    ],
)
def test_what_would_break_a_peer_is_noticed(
    released: FileDescriptorSet, break_it: Callable[[FileDescriptorSet], None], says: str
) -> None:
    changed = FileDescriptorSet.FromString(released.SerializeToString())
    assert breaks(released, changed) == []
    break_it(changed)
    (sentence,) = breaks(released, changed)
    assert sentence.startswith(says)


def test_what_is_removed_properly_or_added_breaks_nobody(released: FileDescriptorSet) -> None:
    changed = FileDescriptorSet.FromString(released.SerializeToString())
    tensor = message(changed, "Tensor")
    tensor.reserved_name.append(tensor.field[2].name)
    tensor.reserved_range.add(start=tensor.field[2].number, end=tensor.field[2].number + 1)
    del tensor.field[2]
    message(changed, "Version").field.add(
        name="branch", number=3, type=FieldDescriptorProto.TYPE_STRING, label=FieldDescriptorProto.LABEL_OPTIONAL
    )
    assert breaks(released, changed) == []
