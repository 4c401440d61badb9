"""Messages that were written down once are read as what they were, by every version from then on."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from spiral import v1
from tests.wire.release import RELEASED, FileDescriptorSet, Golden, choices, goldens, messages

GOLDENS = goldens()


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


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda golden: golden.name)
def test_it_is_read_as_what_it_was(golden: Golden, stubs: dict[str, type[Message]]) -> None:
    message = stubs[golden.name.rpartition("-")[0]].FromString(golden.encoded)
    assert MessageToDict(message, preserving_proto_field_name=True) == golden.content
    assert message.SerializeToString(deterministic=True) == golden.encoded


def test_every_message_of_the_released_protocol_is_there_with_each_alternative() -> None:
    released = messages(FileDescriptorSet.FromString(RELEASED.read_bytes()))
    assert len(released) > 30
    expected = {f"{name}-{choice}" for name, kind in released.items() for choice in range(choices(kind))}
    assert expected <= {golden.name for golden in GOLDENS}
