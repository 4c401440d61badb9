"""What this version says on the wire, kept for the versions after it: ``python -m tests.wire.release``.

Writes beside itself ``released.binpb`` (the protocol's descriptors), ``golden.jsonl`` (each message with every field
set, a line each, as bytes and as content) and ``session.jsonl`` (what an actor and a learner said to each other). Run
it when a version of the protocol is released. Later versions must read what was released, so lines of ``golden.jsonl``
are only appended: one that is there is never written again.
"""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from tests.wire.session import recorded

HERE = Path(__file__).parent
PROTOS = HERE.parents[1] / "protos"
RELEASED, GOLDEN, SESSION = HERE / "released.binpb", HERE / "golden.jsonl", HERE / "session.jsonl"
NUMBERS = {
    FieldDescriptor.CPPTYPE_INT32: -3,
    FieldDescriptor.CPPTYPE_INT64: -(1 << 40),
    FieldDescriptor.CPPTYPE_UINT32: 1 << 31,
    FieldDescriptor.CPPTYPE_UINT64: 1 << 63,
    FieldDescriptor.CPPTYPE_FLOAT: 0.5,
    FieldDescriptor.CPPTYPE_DOUBLE: -1e-300,
    FieldDescriptor.CPPTYPE_BOOL: True,
}
"""Values that need all of their type's width, so that a narrower one would show."""


def compiled() -> FileDescriptorSet:
    """The descriptors of ``protos/`` as they are now, without comments."""
    from grpc_tools import protoc  # noqa: PLC0415  # a tool of the build

    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "protos.binpb"
        files = sorted(map(str, PROTOS.rglob("*.proto")))
        if protoc.main(["protoc", f"-I{PROTOS}", "--include_imports", f"--descriptor_set_out={out}", *files]):
            raise ValueError(f"{PROTOS}: protoc does not compile them")
        return FileDescriptorSet.FromString(out.read_bytes())


def messages(files: FileDescriptorSet) -> dict[str, type[Message]]:
    """Every message of the set by its name, nested ones included."""
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)  # type: ignore[attr-defined, no-untyped-call]

    def walk(descriptor: Descriptor) -> Iterator[Descriptor]:
        yield descriptor
        for inner in descriptor.nested_types:
            yield from walk(inner)

    found = (
        d
        for file in files.file
        for m in file.message_type
        for d in walk(pool.FindMessageTypeByName(f"{file.package}.{m.name}"))
    )
    return {
        descriptor.full_name.removeprefix("spiral.v1."): message_factory.GetMessageClass(descriptor)
        for descriptor in found
    }


def filled(kind: type[Message], choice: int = 0) -> Message:
    """A message with every field set; of each oneof the ``choice``-th, or the last."""
    message = kind()
    descriptor: Descriptor = kind.DESCRIPTOR
    for field in descriptor.fields:
        oneof = field.containing_oneof
        if oneof is not None and field != oneof.fields[min(choice, len(oneof.fields) - 1)]:
            continue
        values = [_value(field, message, choice) for _ in range(2 if field.is_repeated else 1)]
        if field.message_type is not None:
            continue  # set in its place
        if field.is_repeated:
            getattr(message, field.name).extend(values)
        else:
            setattr(message, field.name, values[0])
    return message


def _value(field: FieldDescriptor, message: Message, choice: int) -> Any:
    if field.message_type is not None:
        place = getattr(message, field.name)
        inner = filled(type(place) if not field.is_repeated else type(place.add()), choice)
        if field.is_repeated:
            place[-1].CopyFrom(inner)
        else:
            place.CopyFrom(inner)
        return None
    if field.enum_type is not None:
        return field.enum_type.values[-1].number
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return f"{field.name} ∅".encode() if field.type == FieldDescriptor.TYPE_BYTES else f"{field.name} ∅"
    return NUMBERS[field.cpp_type]


def choices(kind: type[Message]) -> int:
    """How many messages it takes to have each alternative of its oneofs once."""
    return max((len(oneof.fields) for oneof in kind.DESCRIPTOR.oneofs), default=1)


@dataclass(frozen=True)
class Golden:
    """A message as it was written down: its name and alternative, its bytes, and what they say."""

    name: str
    encoded: bytes
    content: dict[str, Any]

    def line(self) -> str:
        """The line of ``golden.jsonl``."""
        written = {"name": self.name, "bytes": base64.b64encode(self.encoded).decode(), "content": self.content}
        return json.dumps(written, ensure_ascii=False) + "\n"


def goldens() -> list[Golden]:
    """All messages that were written down."""
    lines = (json.loads(line) for line in GOLDEN.read_text().splitlines())
    return [Golden(said["name"], base64.b64decode(said["bytes"], validate=True), said["content"]) for said in lines]


def main() -> None:
    """Write the three."""
    files = compiled()
    RELEASED.write_bytes(files.SerializeToString(deterministic=True))
    there = {golden.name for golden in goldens()}
    with GOLDEN.open("a") as file:
        for name, kind in messages(files).items():
            for choice in range(choices(kind)):
                if f"{name}-{choice}" not in there:
                    message = filled(kind, choice)
                    encoded = message.SerializeToString(deterministic=True)
                    content = MessageToDict(message, preserving_proto_field_name=True)
                    file.write(Golden(f"{name}-{choice}", encoded, content).line())
    SESSION.write_text("".join(json.dumps(said) + "\n" for said in recorded()))


if __name__ == "__main__":
    main()
