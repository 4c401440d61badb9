"""In which precision a network is trained, and that mixed precision learns nearly the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spiral.computing.divergence import DivergedError
from spiral.computing.precision import FP32, MARGIN, Precision, Step, choose_precision
from spiral.configuration.files import load_config
from spiral.configuration.schema import RunConfig
from spiral.engines import create
from spiral.engines.description import EngineDescription
from spiral.objectives.pictures import Pictures
from spiral.policy import build_policy
from spiral.policy.categorical import log_prob_and_entropy
from spiral.runs.directory import Run
from spiral.runs.limits import Limits
from spiral.services.discriminator.build import build_judge
from spiral.services.discriminator.judge import Judge
from spiral.services.discriminator.network import build_network
from spiral.services.discriminator.precision_trial import judge_trial
from spiral.services.learner.policy_learner import PolicyLearner
from spiral.services.learner.precision_trial import policy_trial
from spiral.services.learner.trainer import Trainer
from spiral.values.trajectories import Trajectory, TrajectoryContract
from tests.support.judging_data import SHAPE, dataset, observations

BF16 = Precision("bf16")
CPU = torch.device("cpu")
NATIVE = frozenset({"avx2", "avx512_bf16"})


class Clock:
    """Time that passes only while a step runs."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def steps(self, **seconds: float) -> Callable[[Precision], Step]:
        """Steps that take so long in each precision; the first of each takes a hundred times as long."""

        def step_in(precision: Precision) -> Step:
            taken = iter([100 * seconds[precision.name], *[seconds[precision.name]] * 100])

            def step() -> None:
                self.now += next(taken)

            return step

        return step_in


def never(precision: Precision) -> Step:
    raise AssertionError(f"{precision} was measured")


def test_the_faster_precision_is_taken_where_it_is_worth_it(tmp_path: Path) -> None:
    for bf16, chosen in ((1.0, "fp32"), (1 / (0.95 * MARGIN), "fp32"), (1 / (1.05 * MARGIN), "bf16")):
        clock, file = Clock(), tmp_path / f"{bf16}.json"
        choice = choose_precision("auto", CPU, file, clock.steps(fp32=1.0, bf16=bf16), clock, NATIVE)
        assert choice.precision == Precision(chosen)  # type: ignore[arg-type]
        assert json.loads(file.read_text())["precision"] == chosen
        assert "1e+03 ms in fp32" in str(choice)


def test_without_instructions_for_it_nothing_is_measured(tmp_path: Path) -> None:
    choice = choose_precision("auto", CPU, tmp_path / "p.json", never, flags=frozenset({"avx2"}))
    assert choice.precision == FP32


def test_a_run_keeps_what_it_began_with_on_such_a_device(tmp_path: Path) -> None:
    file, clock = tmp_path / "p.json", Clock()
    choose_precision("auto", CPU, file, clock.steps(fp32=2.0, bf16=1.0), clock, NATIVE)
    assert choose_precision("auto", CPU, file, never, flags=NATIVE).precision == BF16
    assert choose_precision("fp32", CPU, file, never, flags=NATIVE).precision == FP32
    assert choose_precision("auto", CPU, file, never, flags=NATIVE).precision == FP32
    file.write_text(json.dumps({"precision": "bf16", "device": "cuda"}))
    assert choose_precision("auto", CPU, file, never, flags=frozenset()).precision == FP32
    file.write_text('{"precision": "fp1')
    assert choose_precision("auto", CPU, file, clock.steps(fp32=2.0, bf16=1.0), clock, NATIVE).precision == BF16


def test_a_step_that_diverges_ends_no_start_and_settles_nothing_for_later(tmp_path: Path) -> None:
    def diverging(precision: Precision) -> Step:
        def step() -> None:
            raise DivergedError("learner", "learning has diverged")

        return step

    clock = Clock()
    assert choose_precision("auto", CPU, tmp_path / "p.json", diverging, flags=NATIVE).precision == FP32
    steps = clock.steps(fp32=2.0, bf16=1.0)
    assert choose_precision("auto", CPU, tmp_path / "p.json", steps, clock, NATIVE).precision == BF16


def test_bf16_is_to_be_had_on_any_processor(tmp_path: Path) -> None:
    assert choose_precision("bf16", CPU, tmp_path / "p.json", never, flags=frozenset()).precision == BF16


def test_probabilities_are_float32_whatever_the_logits_are_made_in() -> None:
    logits = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    chosen = torch.arange(5)
    with BF16.autocast():
        answers = log_prob_and_entropy(logits.bfloat16(), chosen)
        exact = log_prob_and_entropy(logits.bfloat16().float(), chosen)
    for answer, right in zip(answers, exact, strict=True):
        assert answer.dtype == torch.float32
        torch.testing.assert_close(answer, right, rtol=0, atol=0)


def settings(network: str, objective: str) -> RunConfig:
    small = ("engine.settings.view=16", "engine.settings.grid=8", "policy.pooled_size=8", "policy.width=32")
    judge = ("discriminator.channels=[8,16]", "discriminator.batch=8", f"discriminator.objective={objective}")
    return load_config("demo", ("actor.batch=4", "learner.batch=8", f"policy.network={network}", *small, *judge))


def batch_of(config: RunConfig, contract: TrajectoryContract) -> Trajectory:
    rng = np.random.default_rng(0)
    tensors = contract.tensors(config.learner.batch)
    filled = {name: np.zeros(shape, dtype) for name, (dtype, shape) in tensors.items()}
    filled["observations"] = rng.integers(0, 256, filled["observations"].shape, dtype=np.uint8)
    for k, size in enumerate(contract.spec.sizes):
        filled["actions"][..., k] = rng.integers(0, size, filled["actions"].shape[:2])
    filled["behaviour_log_prob"] -= 10
    return Trajectory(**filled)


@pytest.mark.parametrize("network", ["small", "paper"])
def test_a_policy_learns_nearly_the_same_in_bf16(network: str) -> None:
    config = settings(network, "r1")
    if network == "paper":  # its convolutions are made for a view of 64 pixels
        config = load_config("paper-mnist", ("num_actions=2", "actor.batch=2", "learner.batch=2", "data=mnist-sample"))
    engine = create(config.engine.name, config.engine.settings)
    noise = config.policy.noise
    contract = TrajectoryContract(engine.spec, engine.observation_shape, config.num_actions, False, noise)
    losses, moved = {}, {}
    for precision in (FP32, BF16):
        torch.manual_seed(0)
        policy = build_policy(config.policy, engine.spec, engine.observation_shape, config.num_actions, False)
        start = torch.nn.utils.parameters_to_vector(policy.parameters()).detach().clone()
        learner = PolicyLearner(policy, config.learner, seed=0)
        learner.precision = precision
        batch = batch_of(config, contract)
        learner.learn(batch, np.full(batch.behaviour_log_prob.shape, 0.1, np.float32))
        losses[precision.name] = learner.take_statistics().losses
        moved[precision.name] = torch.nn.utils.parameters_to_vector(policy.parameters()).detach() - start
        assert {weight.dtype for weight in policy.parameters()} == {torch.float32}
    assert losses["bf16"] != losses["fp32"]
    for name, value in losses["fp32"].items():
        assert losses["bf16"][name] == pytest.approx(value, rel=0.1, abs=0.02), name
    apart = (moved["fp32"] - moved["bf16"]).norm() / moved["fp32"].norm()
    assert apart < 0.3  # of the way that the weights went


@pytest.mark.parametrize("objective", ["r1", "wgan-gp", "spectral-norm"])
def test_a_discriminator_learns_nearly_the_same_in_bf16_and_its_penalty_is_float32(objective: str) -> None:
    config = settings("small", objective).discriminator
    rng = torch.Generator().manual_seed(0)
    real, painted = (torch.rand(8, 1, 16, 16, generator=rng) * 2 - 1 for _ in range(2))
    losses = {}
    for precision in (FP32, BF16):
        judged = config.objective
        network = build_network(SHAPE, config.channels, False, 0, judged.prepare)
        pictures = Pictures(real, painted, precision=precision)
        loss = judged.loss(network, pictures, torch.Generator().manual_seed(1), 0)
        loss.total.backward()  # type: ignore[no-untyped-call]
        assert {parameter.grad.dtype for parameter in network.parameters() if parameter.grad is not None} == {
            torch.float32
        }
        assert loss.total.dtype == loss.painted.dtype == torch.float32
        losses[precision.name] = {"total": loss.total.detach(), "painted": loss.painted, **loss.terms}
    for name, value in losses["fp32"].items():
        if name == "gradient_penalty":
            assert torch.equal(losses["bf16"][name], value)
        else:
            torch.testing.assert_close(losses["bf16"][name], value, rtol=0.02, atol=0.02)
    assert not torch.equal(losses["bf16"]["painted"], losses["fp32"]["painted"])


def test_scores_stay_float32() -> None:
    config = settings("small", "r1")

    def judge(precision: Precision) -> Judge:
        return build_judge(config, SHAPE, dataset(), seed=0, precision=precision)

    shown = observations(0)
    plain, mixed = (judge(precision).score("1", shown, None, remember=False) for precision in (FP32, BF16))
    np.testing.assert_array_equal(plain.terms["discriminator"], mixed.terms["discriminator"])
    plain, mixed = (judge(precision).score("1", shown, None, remember=True) for precision in (FP32, BF16))
    assert (plain.terms["discriminator"] != mixed.terms["discriminator"]).any()
    np.testing.assert_allclose(plain.terms["discriminator"], mixed.terms["discriminator"], atol=0.02)


@pytest.fixture(name="trainer")
def _learning(tmp_path: Path) -> Trainer:
    config = settings("small", "r1")
    engine = create(config.engine.name, config.engine.settings)
    return Trainer(config, Run(tmp_path), 1, lambda: EngineDescription.of(engine), Limits(), lambda: 0.0)


def test_measuring_leaves_what_is_measured_as_it_was(trainer: Trainer) -> None:
    before = trainer.learner.state()
    step = policy_trial(trainer, BF16)
    step()
    step()
    after = trainer.learner.state()
    assert after.counters == before.counters
    for name, tensor in before.tensors["policy"].items():
        assert torch.equal(after.tensors["policy"][name], tensor)
    assert trainer.learner.precision == FP32


def test_a_measured_step_of_the_learner_is_an_update_also_where_batches_are_held_back(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = trainer.config.learner.model_copy(update={"hold_batches": 300})
    trainer.config = trainer.config.model_copy(update={"learner": settings})
    update, made = PolicyLearner._update, []

    def counted(learner: PolicyLearner, *arguments: Any) -> Any:
        made.append(learner)
        return update(learner, *arguments)

    monkeypatch.setattr(PolicyLearner, "_update", counted)
    step = policy_trial(trainer, FP32)
    step()
    step()
    assert len(made) == 2


@pytest.mark.parametrize("conditional", [False, True])
def test_a_measured_step_of_the_discriminator_is_an_update(conditional: bool) -> None:
    config = settings("small", "r1").model_copy(update={"conditional": conditional})
    step = judge_trial(config, dataset(), CPU, BF16)
    for updates in (1, 2):
        scores = step()
        assert scores.version.number == updates  # type: ignore[attr-defined]
