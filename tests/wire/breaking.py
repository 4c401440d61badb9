"""What a newer protocol may not do to an older one: the rules of ``buf breaking`` (WIRE_JSON), without buf."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)


def breaks(old: FileDescriptorSet, new: FileDescriptorSet) -> list[str]:
    """Sentences about what a peer that speaks ``old`` would misunderstand in ``new``; empty: nothing."""
    return [
        *_messages({m.name: m for file in old.file for m in file.message_type}, _all(new, "message_type")),
        *_enums({e.name: e for file in old.file for e in file.enum_type}, _all(new, "enum_type")),
        *_services({s.name: s for file in old.file for s in file.service}, _all(new, "service")),
    ]


def _all(files: FileDescriptorSet, kind: str) -> dict[str, object]:
    return {thing.name: thing for file in files.file for thing in getattr(file, kind)}


def _messages(old: dict[str, DescriptorProto], new: dict[str, object]) -> Iterator[str]:
    for name, message in old.items():
        now = new.get(name)
        if not isinstance(now, DescriptorProto):
            yield f"message {name} is gone"
            continue
        fields = {field.number: field for field in now.field}
        for field in message.field:
            yield from _field(f"{name}.{field.name}", field, fields.get(field.number), message, now)
        yield from _messages({m.name: m for m in message.nested_type}, {m.name: m for m in now.nested_type})
        yield from _enums({e.name: e for e in message.enum_type}, {e.name: e for e in now.enum_type})


def _field(
    name: str,
    old: FieldDescriptorProto,
    new: FieldDescriptorProto | None,
    message: DescriptorProto,
    now: DescriptorProto,
) -> Iterator[str]:
    if new is None:
        reserved = any(part.start <= old.number < part.end for part in now.reserved_range)
        if not (reserved and old.name in now.reserved_name):
            yield f"{name} is gone, and its number {old.number} and its name are not reserved"
        return
    if new.name != old.name:
        yield f"{name} is called {new.name} now"
    if (new.type, new.type_name) != (old.type, old.type_name):
        yield f"{name} has another type"
    if new.label != old.label:
        yield f"{name} is repeated where it was not, or the other way round"
    if _oneof(new, now) != _oneof(old, message):
        yield f"{name} is in another oneof"


def _oneof(field: FieldDescriptorProto, message: DescriptorProto) -> str:
    return message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""


def _enums(old: dict[str, EnumDescriptorProto], new: dict[str, object]) -> Iterator[str]:
    for name, enum in old.items():
        now = new.get(name)
        if not isinstance(now, EnumDescriptorProto):
            yield f"enum {name} is gone"
            continue
        values = {value.name: value.number for value in now.value}
        for value in enum.value:
            if values.get(value.name) != value.number:
                yield f"{name}.{value.name} is not {value.number} any more"


def _services(old: dict[str, ServiceDescriptorProto], new: dict[str, object]) -> Iterator[str]:
    for name, service in old.items():
        now = new.get(name)
        methods = {method.name: method for method in now.method} if isinstance(now, ServiceDescriptorProto) else {}
        for method in service.method:
            there = methods.get(method.name)
            if there is None:
                yield f"{name}.{method.name} is gone"
            elif (there.input_type, there.output_type, there.client_streaming, there.server_streaming) != (
                method.input_type,
                method.output_type,
                method.client_streaming,
                method.server_streaming,
            ):
                yield f"{name}.{method.name} takes or answers something else"
