"""What a judge does not take, and the sentence that it says: nothing is scored, learned or lost by it."""

from __future__ import annotations

import numpy as np
import pytest

from spiral.configuration.schema import RunConfig
from spiral.services.discriminator.build import build_judge
from spiral.services.discriminator.judge import Judge
from tests.support.judging_data import SHAPE, config, dataset, observations, targets

UNCONDITIONAL = config()
CONDITIONAL = config("conditional=true", "discriminator.objective=wgan-gp")
L2 = config("conditional=true", "discriminator.kind=l2")


def judge_of(settings: RunConfig) -> Judge:
    return build_judge(settings, SHAPE, dataset(), seed=7, generation=1)


@pytest.mark.parametrize("count", [0, 4097])
def test_a_count_of_targets_out_of_range_is_a_sentence(count: int) -> None:
    with pytest.raises(ValueError, match=f"count: {count} is outside 1…4096"):
        judge_of(UNCONDITIONAL).sample_targets(count, test=False)


BAD = {
    "batch_id: it has 0 bytes": ("", observations(0), None),
    "batch_id: it has 129 bytes": ("x" * 129, observations(0), None),
    "observations: float32": ("a", observations(0).astype(np.float32), None),
    r"observations: uint8 \[3, 6, 16, 16\]": ("a", observations(0)[..., 0], None),
    "expected uint8 .* with pictures of 16 × 16 × 1": ("a", observations(0, shape=(16, 8, 1)), None),
    "0 frames of 6 episodes": ("a", observations(0)[:0], None),
    "targets: this run has none": ("a", observations(0), targets(0)),
}


@pytest.mark.parametrize("message", BAD)
def test_a_bad_batch_is_a_sentence_that_names_the_field(message: str) -> None:
    judge = judge_of(UNCONDITIONAL)
    with pytest.raises(ValueError, match=message):
        judge.score(*BAD[message], remember=True)
    assert judge.version.number == 0


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (None, "targets: missing"),
        (targets(0, batch=5), r"targets: uint8 \[5, 16, 16, 1\] don't fit 6 episodes"),
    ],
)
@pytest.mark.parametrize("settings", [CONDITIONAL, L2], ids=["conditional", "l2"])
def test_bad_targets_are_a_sentence(settings: RunConfig, wanted: np.ndarray | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        judge_of(settings).score("a", observations(0), wanted, remember=True)


def test_an_id_that_was_another_batchs_is_refused() -> None:
    judge = judge_of(UNCONDITIONAL)
    judge.score("a", observations(0), None, remember=True)
    with pytest.raises(ValueError, match=r'batch_id: "a" belonged to a batch of \[F, B\] = \[3, 6\] before'):
        judge.score("a", observations(0, frames=2), None, remember=True)


def test_a_state_of_another_network_or_kind_is_refused() -> None:
    other = judge_of(config("discriminator.channels=[4,4]"))
    with pytest.raises(ValueError, match="checkpoint: its network has the shapes"):
        judge_of(UNCONDITIONAL).restore(other.state())
    with pytest.raises(ValueError, match='of kind "l2" wrote it; expected "learned"'):
        judge_of(CONDITIONAL).restore(judge_of(L2).state())
    with pytest.raises(ValueError, match='of kind "learned" wrote it; expected "l2"'):
        judge_of(L2).restore(judge_of(CONDITIONAL).state())


def test_data_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match=r"data: the pictures of light are \[16, 16, 1\]"):
        build_judge(UNCONDITIONAL, (32, 32, 1), dataset(), seed=0)
