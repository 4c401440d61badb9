"""What a policy looks up about the places of a stroke, against slow loops."""

from __future__ import annotations

import itertools

import pytest
import torch

from spiral.policy import Inputs
from spiral.policy.sight import Sight, around
from spiral.values.actions import Component


@pytest.mark.parametrize(
    ("side", "height", "width", "channels", "patch"), [(4, 8, 8, 1, 1), (8, 4, 6, 3, 3), (5, 8, 8, 2, 4)]
)
def test_a_patch_lies_about_its_place_and_repeats_the_edge(side, height, width, channels, patch):
    picture = torch.arange(height * width * channels).reshape(height, width, channels)
    table = around(Component("end", side**2, "grid"), (height, width, channels), patch)
    for row, column in itertools.product(range(side), repeat=2):
        wanted = [
            picture[
                min(max(row * height // side + i, 0), height - 1), min(max(column * width // side + j, 0), width - 1), c
            ]
            for i in range(-(patch // 2), patch - patch // 2)
            for j in range(-(patch // 2), patch - patch // 2)
            for c in range(channels)
        ]
        assert table[row * side + column].tolist() == torch.stack(wanted).tolist()


def test_places_are_looked_for_where_the_engine_sees_them():
    component = Component("end", 4, "grid", seen=((0, 0), (0, 1), (0.49, 0.5), (0.99, 0.74)))
    table = around(component, (8, 4, 1), 1)
    assert table.squeeze(1).tolist() == [0, 3, 3 * 4 + 2, 7 * 4 + 2]
    with pytest.raises(ValueError, match=r"seen: expected, for a grid alone, 4 times \(row, column\) in 0…1"):
        Component("end", 4, "grid", seen=((0, 0),))


@pytest.mark.parametrize("conditional", [False, True])
def test_each_frame_sees_its_own_painting_and_the_target_of_its_episode(conditional):
    T, B, size = 3, 4, 16
    seen = torch.randn(T + 1, B, size)  # a step more than is decoded, as when the value after the last is wanted
    target = torch.randn(B, size) if conditional else None
    sight = Sight(Inputs(seen, torch.zeros(T, B, 1, dtype=torch.long), torch.arange(T), target=target), T, 0)
    table = around(Component("end", 4, "grid"), (4, 4, 1), 3)
    first, second = torch.randint(0, 4, (T * B,)), torch.randint(0, 4, (T * B,))
    sight.look(first, table)
    kept = torch.tensor([11, 2, 7])
    sight.narrow(kept)
    sight.look(second[kept], table)
    for row, frame in enumerate(kept.tolist()):
        t, b = divmod(frame, B)
        wanted = [
            picture[table[place]]
            for place in (first[frame], second[frame])
            for picture in ((seen[t, b],) if target is None else (seen[t, b], target[b]))
        ]
        torch.testing.assert_close(sight.patches[row], torch.cat(wanted))
