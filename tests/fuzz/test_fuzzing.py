"""What reads bytes from outside raises its declared errors alone, within its memory; see ``tests/fuzz/targets.py``."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spiral.datasets.arrays import read_arrays
from spiral.runs.checkpoint_reading import CheckpointError
from spiral.runs.checkpoints import read_latest
from spiral.services.actor.weights import WeightsError, assemble
from spiral.v1.learner_pb2 import GetWeightsResponse, WeightsHeader
from tests.fuzz import corpus
from tests.fuzz.targets import TARGETS, Target, check

EDITS = 8
"""Most changes to an input at a time; more leave nothing of it."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Nothing logged: each input is expected to be complained about."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_every_target_has_a_corpus_and_no_corpus_is_of_none() -> None:
    assert corpus.names() == set(TARGETS)
    assert all(target.corpus for target in TARGETS.values())


@pytest.mark.parametrize("name", TARGETS)
def test_each_kept_input_is_read_or_refused(name: str) -> None:
    for data in TARGETS[name].corpus:
        check(TARGETS[name], data)


def bent(target: Target) -> st.SearchStrategy[bytes]:
    """Inputs of the corpus with a few bytes changed, put in, taken out, or cut off."""
    edit = st.tuples(st.integers(0, 1 << 16), st.integers(0, 4), st.binary(max_size=8))

    def apply(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
        for place, removed, put in edits:
            at = place % (len(data) + 1)
            data = data[:at] + put + data[at + removed :]
        return data

    kept = st.sampled_from([data for data in target.corpus if len(data) < 1 << 15])
    return st.builds(apply, kept, st.lists(edit, max_size=EDITS))


@pytest.mark.parametrize("name", TARGETS)
def test_bent_inputs_are_read_or_refused(name: str) -> None:
    target = TARGETS[name]

    @settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(bent(target))
    def run(data: bytes) -> None:
        target.run(data)

    run()


def test_an_archive_that_would_not_fit_is_refused_by_its_size(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "large.npz", images=np.zeros((4, 1024, 1024), np.uint8))
    expected: dict[str, tuple[type[np.generic], int]] = {"images": (np.uint8, 3)}
    assert read_arrays(tmp_path / "large.npz", expected)["images"].shape == (4, 1024, 1024)
    with pytest.raises(ValueError, match="at most 1048576 are read"):
        read_arrays(tmp_path / "large.npz", expected, limit_bytes=1 << 20)


def test_counters_deeper_than_the_stack_are_damage(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint-00000001"
    checkpoint.mkdir()
    (checkpoint / "manifest.json").write_text("[" * 100_000)
    with pytest.raises(CheckpointError, match="nested too deeply"):
        read_latest(tmp_path)


def test_weights_are_read_no_further_than_their_header_says() -> None:
    taken = []

    async def responses(header: WeightsHeader) -> AsyncIterator[GetWeightsResponse]:
        yield GetWeightsResponse(header=header)
        for number in range(10):
            taken.append(number)
            yield GetWeightsResponse(chunk=b"1234")

    with pytest.raises(WeightsError, match="more than 1073741824"):
        asyncio.run(assemble(responses(WeightsHeader(modified=True, total_bytes=1 << 40))))
    assert taken == []
    with pytest.raises(WeightsError, match="more than the 6 bytes announced"):
        asyncio.run(assemble(responses(WeightsHeader(modified=True, total_bytes=6))))
    assert taken == [0, 1]
