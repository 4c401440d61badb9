"""The protocol says what each of its parts means: messages, fields, enums, values, services and calls."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

ROOT = Path(__file__).parents[3]
# Numbers of the fields in descriptor.proto, which make up the paths of its source information.
PARTS = {
    "message": (("message_type", 4), {"message": ("nested_type", 3), "field": ("field", 2), "enum": ("enum_type", 4)}),
    "enum": (("enum_type", 5), {"value": ("value", 2)}),
    "service": (("service", 6), {"call": ("method", 2)}),
}


def described(folder: Path, files: Sequence[Path], target: Path) -> list[FileDescriptorProto]:
    """What the compiler makes of the files, with comments."""
    protoc = pytest.importorskip("grpc_tools.protoc")
    out = target / "protos.binpb"
    arguments = ["protoc", f"-I{folder}", "--include_source_info", f"--descriptor_set_out={out}", *map(str, files)]
    assert protoc.main(arguments) == 0
    return list(FileDescriptorSet.FromString(out.read_bytes()).file)


def parts_of(thing: Any, kind: str, path: tuple[int, ...], name: str) -> Iterator[tuple[tuple[int, ...], str]]:
    """Path and name of a part of a file and of all parts within it."""
    yield path, f"{kind} {name}"
    for inner_kind, (field, number) in PARTS.get(kind, ((), {}))[1].items():
        for index, inner in enumerate(getattr(thing, field)):
            yield from parts_of(inner, inner_kind, (*path, number, index), f"{name}.{inner.name}")


def without_comment(file: FileDescriptorProto) -> tuple[int, list[str]]:
    """How many parts a file has, and those that say nothing of themselves."""
    commented = {
        tuple(location.path)
        for location in file.source_code_info.location
        if location.leading_comments.strip() or location.trailing_comments.strip()
    }
    parts = [
        part
        for kind, ((field, number), _) in PARTS.items()
        for index, thing in enumerate(getattr(file, field))
        for part in parts_of(thing, kind, (number, index), thing.name)
    ]
    return len(parts), [name for path, name in parts if path not in commented]


def test_every_part_of_the_protocol_has_a_comment(tmp_path: Path) -> None:
    folder = ROOT / "protos"
    files = described(folder, sorted(folder.rglob("*.proto")), tmp_path)
    assert len(files) == len(list(folder.rglob("*.proto"))) > 5
    checked = [without_comment(file) for file in files]
    assert sum(count for count, _ in checked) > 100
    assert [name for _, names in checked for name in names] == []


def test_what_has_no_comment_is_found(tmp_path: Path) -> None:
    (tmp_path / "bare.proto").write_text(
        """syntax = "proto3";
// Said.
message Message {
  int32 bare = 1;
  // Said.
  int32 said = 2;
  enum Inner {
    BARE = 0;
    SAID = 1;  // Said.
  }
}
service Service {
  rpc Call(Message) returns (Message);
}
"""
    )
    (file,) = described(tmp_path, [tmp_path / "bare.proto"], tmp_path)
    assert without_comment(file) == (
        8,
        [
            "field Message.bare",
            "enum Message.Inner",
            "value Message.Inner.BARE",
            "service Service",
            "call Service.Call",
        ],
    )
