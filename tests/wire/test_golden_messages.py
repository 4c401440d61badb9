"""Messages that were written down once are read as what they were, by every version from then on."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from spiral import v1
from tests.wire.release import GOLDEN, RELEASED, FileDescriptorSet, choices, messages

FILES = sorted(GOLDEN.glob("*.binpb"))


@pytest.fixture(scope="module")
def stubs() -> dict[str, type[Message]]:
    """The messages that the services use, by name."""
    modules = [importlib.import_module(f"spiral.v1.{file.stem}") for file in Path(v1.__path__[0]).glob("*_pb2.py")]
    return {
        thing.DESCRIPTOR.full_name.removeprefix("spiral.v1."): thing
        for module in modules
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, Message)
    }


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_is_read_as_what_it_was(file: Path, stubs: dict[str, type[Message]]) -> None:
    message = stubs[file.stem.rpartition("-")[0]].FromString(file.read_bytes())
    content = MessageToDict(message, preserving_proto_field_name=True)
    assert content == json.loads(file.with_suffix(".json").read_text())
    assert message.SerializeToString(deterministic=True) == file.read_bytes()


def test_every_message_of_the_released_protocol_is_there_with_each_alternative() -> None:
    released = messages(FileDescriptorSet.FromString(RELEASED.read_bytes()))
    assert len(released) > 30
    expected = {f"{name}-{choice}" for name, kind in released.items() for choice in range(choices(kind))}
    assert expected <= {file.stem for file in FILES}
