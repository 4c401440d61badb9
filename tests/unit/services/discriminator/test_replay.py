"""The memory of paintings."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from spiral.services.discriminator.replay import ReplayBuffer


def batch(first: int, count: int) -> NDArray[np.uint8]:
    """``count`` pictures of one pixel that say which they are."""
    return np.arange(first, first + count, dtype=np.uint8).reshape(count, 1, 1, 1)


def drawn(replay: ReplayBuffer, count: int, seed: int = 0) -> list[int]:
    return replay.sample(count, torch.Generator().manual_seed(seed)).paintings.reshape(-1).tolist()


def test_a_buffer_of_one_batch_is_the_newest_batch() -> None:
    replay = ReplayBuffer(1)
    replay.add(batch(0, 4), None)
    replay.add(batch(10, 4), None)
    assert sorted(drawn(replay, 4)) == [10, 11, 12, 13]


def test_the_oldest_batch_goes_first() -> None:
    replay = ReplayBuffer(3)
    for first in (0, 10, 20, 30):
        replay.add(batch(first, 2), None)
    assert len(replay) == 6
    assert sorted(drawn(replay, 6)) == [10, 11, 20, 21, 30, 31]


def test_pictures_are_drawn_uniformly_whatever_the_size_of_their_batch() -> None:
    replay = ReplayBuffer(20)
    replay.add(batch(0, 2), None)
    replay.add(batch(2, 8), None)
    generator = torch.Generator().manual_seed(1)
    rounds = 2000
    counts = np.bincount(
        np.concatenate([replay.sample(5, generator).paintings.reshape(-1) for _ in range(rounds)]), minlength=10
    )
    expected = rounds * 5 / 10
    # Binomial, each picture in half of the rounds: five standard deviations.
    assert np.abs(counts - expected).max() < 5 * np.sqrt(rounds * 0.25)


def test_nothing_is_drawn_twice_as_long_as_there_is_enough() -> None:
    replay = ReplayBuffer(2)
    replay.add(batch(0, 9), None)
    assert all(len(set(drawn(replay, 7, seed))) == 7 for seed in range(20))


def test_more_than_there_are_can_be_drawn() -> None:
    replay = ReplayBuffer(2)
    replay.add(batch(0, 2), None)
    assert len(drawn(replay, 100)) == 100
    assert set(drawn(replay, 100)) == {0, 1}


def test_a_painting_keeps_its_target() -> None:
    replay = ReplayBuffer(2)
    replay.add(batch(0, 5), batch(100, 5))
    replay.add(batch(10, 5), batch(110, 5))
    sample = replay.sample(8, torch.Generator().manual_seed(0))
    assert sample.targets is not None
    assert (sample.targets == sample.paintings + 100).all()


def test_what_is_remembered_is_a_copy() -> None:
    replay, paintings = ReplayBuffer(1), batch(0, 3)
    replay.add(paintings, None)
    paintings[:] = 99
    assert sorted(drawn(replay, 3)) == [0, 1, 2]


def test_drawing_from_nothing_is_a_sentence() -> None:
    with pytest.raises(ValueError, match="nothing is remembered yet"):
        ReplayBuffer(1).sample(1, torch.Generator())


def test_a_restored_memory_draws_as_the_kept_one_and_forgets_what_was_there() -> None:
    kept, restored = ReplayBuffer(3), ReplayBuffer(3)
    for first in (0, 10):
        kept.add(batch(first, 2), batch(first + 100, 2))
    restored.add(batch(200, 5), batch(205, 5))
    restored.restore(kept.tensors())
    ours, theirs = (replay.sample(3, torch.Generator().manual_seed(1)) for replay in (kept, restored))
    np.testing.assert_array_equal(ours.paintings, theirs.paintings)
    assert ours.targets is not None
    assert theirs.targets is not None
    np.testing.assert_array_equal(theirs.targets, theirs.paintings + 100)
    assert len(restored) == 4


def test_a_kept_memory_is_a_copy() -> None:
    replay = ReplayBuffer(1)
    replay.add(batch(0, 2), None)
    kept = replay.tensors()
    kept["0.paintings"] += 50
    assert (list(kept), sorted(drawn(replay, 2))) == (["0.paintings"], [0, 1])
