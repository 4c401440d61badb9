"""The page that shows the whole algorithm fits its name, and learns."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from spiral.outputs import ours

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "examples" / "spiral_in_150_lines.py"


@pytest.fixture(scope="module")
def page() -> ModuleType:
    spec = importlib.util.spec_from_file_location("spiral_in_150_lines", PAGE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_has_150_lines() -> None:
    assert len(PAGE.read_text().splitlines()) <= 150


@pytest.mark.usefixtures("one_thread")
def test_it_learns(page: ModuleType, tmp_path: Path) -> None:
    """In six batches its paintings come nearer to digits than those of an agent that learns nothing.

    Without learning the curve falls to 0.86 of its beginning, because each point is measured on more paintings than the
    one before; with the agent's gradient reversed it rises.
    """
    curve = page.main(frames=6 * page.BATCH * page.NUM_ACTIONS, threads=1, seed=0, out=tmp_path / "out.png")
    assert len(curve) == 3
    assert curve[-1] < 0.75 * curve[0]
    assert ours(tmp_path) == {"out.png"}


def test_the_discriminators_loss_is_logistic_with_r1(page: ModuleType) -> None:
    """Of a linear critic the gradient by each picture is its weights."""
    critic = nn.Sequential(nn.Flatten(), nn.Linear(4, 1, bias=False), nn.Flatten(0))
    weights = next(critic.parameters()).detach()[0]
    real, painted = torch.rand(3, 1, 2, 2), torch.rand(3, 1, 2, 2)
    logistic = softplus(-real.flatten(1) @ weights).mean() + softplus(painted.flatten(1) @ weights).mean()
    torch.testing.assert_close(page.critic_loss(critic, real, painted), logistic + page.R1 / 2 * weights.square().sum())
