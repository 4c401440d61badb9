"""What is not finite is noticed at the update, taken back, and ends a run the third time in a row."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from threading import Event

import numpy as np
import pytest
import torch
from torch import Tensor

from spiral.computing.divergence import DivergedError
from spiral.computing.saturation import WARN_S, Saturation, SaturationWarnings
from spiral.configuration.files import load_config
from spiral.configuration.schema import LearnerConfig
from spiral.launcher.lockstep import run_lockstep
from spiral.objectives.policy.decoupled import Decoupled
from spiral.objectives.policy.vtrace import VTrace
from spiral.policy.weights import load_weights
from spiral.runs.checkpoint_reading import CheckpointError
from spiral.runs.checkpoints import CheckpointStore, State, read_latest
from spiral.runs.directory import Run
from spiral.runs.divergence_record import DivergenceRecord
from spiral.runs.limits import Limits
from spiral.services.discriminator.build import build_judge
from spiral.services.discriminator.learned_judge import LearnedJudge
from spiral.services.learner.policy_learner import PolicyLearner
from spiral.values import strict_json
from spiral.values.trajectories import Trajectory
from tests.support.judging_data import SHAPE, config, dataset, observations
from tests.support.policies import policy_of, spec_of

T, B = 3, 8
REWARDS = np.ones((T, B), np.float32)


def learner_of(**settings: object) -> PolicyLearner:
    policy = policy_of("small", spec=spec_of(), view=(16, 16, 1))
    return PolicyLearner(policy, LearnerConfig(**settings), seed=0)  # type: ignore[arg-type]


def batch() -> Trajectory:
    draw = np.random.default_rng(0)
    return Trajectory(
        observations=draw.integers(0, 256, (T + 1, B, 16, 16, 1), dtype=np.uint8),
        actions=draw.integers(0, 2, (T, B, len(spec_of())), dtype=np.int32),
        behaviour_log_prob=np.full((T, B), -5.0, np.float32),
        noise=np.zeros((B, 10), np.float32),
    )


def tensors_of(state: State, *groups: str) -> list[Tensor]:
    return [tensor for group in groups for tensor in state.tensors[group].values()]


def assert_same(one: Sequence[Tensor], other: Sequence[Tensor]) -> None:
    assert len(one) == len(other)
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("optimiser", ["adam", "rmsprop"])
@pytest.mark.parametrize("minibatches", [1, 4])
def test_a_policy_that_diverges_keeps_what_it_was_and_ends_at_the_third_batch(optimiser: str, minibatches: int) -> None:
    learner = learner_of(optimiser=optimiser, minibatches=minibatches, gradient_clip=math.inf)
    learner.learn(batch(), REWARDS)
    good = learner.state()
    groups = ("policy", "average", "optimiser")
    resumed = learner_of(
        optimiser=optimiser, minibatches=minibatches, gradient_clip=math.inf, learning_rate=1e30, reuse=2
    )
    resumed.restore(good)
    for taken_back in range(2):
        resumed.learn(batch(), REWARDS)
        assert_same(tensors_of(resumed.state(), *groups), tensors_of(good, *groups))
        assert resumed.updates > good.counters["updates"] + taken_back, "actors are told of a version of its own"
    with pytest.raises(
        DivergedError,
        match=r"3 times in a row; lower learner\.learning_rate, which is 1e\+30 or learner\.gradient_clip",
    ):
        resumed.learn(batch(), REWARDS)
    assert_same(tensors_of(resumed.state(), *groups), tensors_of(good, *groups))
    assert resumed.frames == good.counters["frames"]


def test_single_batches_that_are_not_finite_end_nothing() -> None:
    learner = learner_of()
    learner.learn(batch(), REWARDS)
    for _ in range(4):  # a sound update in between, and it begins anew
        learner.learn(batch(), np.full((T, B), np.inf, np.float32))
        before = learner.state()
        learner.learn(batch(), REWARDS)
        learner.learn(batch(), REWARDS)
    assert all(tensor.isfinite().all() for tensor in tensors_of(before, "policy", "average", "optimiser"))
    assert not torch.equal(tensors_of(before, "policy")[0], next(iter(learner.policy.parameters())))


def test_what_was_found_sound_before_it_was_saved_is_what_is_gone_back_to() -> None:
    learner = learner_of()
    for _ in range(2):
        learner.learn(batch(), REWARDS)
    learner.check()
    saved = learner.state()
    learner.learn(batch(), np.full((T, B), np.inf, np.float32))
    assert_same(tensors_of(learner.state(), "policy", "optimiser"), tensors_of(saved, "policy", "optimiser"))


def test_weights_that_nothing_can_be_learnt_from_are_found_before_they_are_saved() -> None:
    """Finite they are, and no batch may ever come that would show what they are worth."""
    learner = learner_of(learning_rate=1e12)
    before = [parameter.clone() for parameter in learner.policy.parameters()]
    learner.learn(batch(), REWARDS)
    assert all(parameter.isfinite().all() for parameter in learner.policy.parameters())
    assert learner.updates == 1
    learner.check()
    assert_same(list(learner.policy.parameters()), before)
    assert learner.updates == 2
    sound = learner_of()
    sound.learn(batch(), REWARDS)
    after = tensors_of(sound.state(), "policy", "optimiser")
    sound.check()
    assert_same(tensors_of(sound.state(), "policy", "optimiser"), after)


@pytest.mark.parametrize("objective", ["r1", "spectral-norm"])
def test_a_judge_that_diverges_answers_by_what_it_was_and_ends_at_the_third_update(objective: str) -> None:
    settings = config("discriminator.learning_rate=1e30", f"discriminator.objective={objective}")
    judge = build_judge(settings, SHAPE, dataset(), seed=0)
    assert isinstance(judge, LearnedJudge)
    before = tensors_of(judge.state(), "network")
    for number in range(2):
        scores = judge.score(str(number), observations(number), None, True)
        assert np.isfinite(scores.terms["discriminator"]).all()
    with pytest.raises(DivergedError, match=r"lower discriminator\.learning_rate") as ended:
        judge.score("2", observations(2), None, True)
    weights = zip(before, tensors_of(judge.state(), "network"), strict=True)
    assert all(torch.allclose(one, other, atol=1) for one, other in weights), "vectors of the normalization may turn"
    assert ended.value.service == "discriminator"


def test_a_run_that_diverges_keeps_its_checkpoints_and_is_not_started_to_do_it_again(tmp_path: Path) -> None:
    small = ["actor.batch=8", "learner.batch=8", "policy.width=16", "num_actions=2", "learner.checkpoint_s=1e-9"]
    run = Run(tmp_path / "run")
    run.path.mkdir()

    def train(frames: int, *settings: str) -> None:
        settled = load_config("demo", [*small, "discriminator.channels=[4, 8]", *settings])
        run_lockstep(settled, run, Limits(frames), threads=1, stopping=Event(), on_record=lambda record: None)

    train(3 * 8 * 2)
    kept = sorted(path.name for path in run.checkpoints("learner").glob("checkpoint-*"))
    with pytest.raises(DivergedError, match=r"lower learner\.learning_rate") as ended:
        train(10_000, "learner.learning_rate=1e30")
    assert sorted(path.name for path in run.checkpoints("learner").glob("checkpoint-*")) == kept
    found = read_latest(run.checkpoints("learner"))
    assert found is not None
    assert found.state.counters["frames"] == 3 * 8 * 2
    again = load_config("demo", [*small, "discriminator.channels=[4, 8]", "learner.learning_rate=1e30"])
    directory = run.checkpoints("learner")
    assert DivergenceRecord(directory, again, "fp32").standing() == str(ended.value)
    assert not DivergenceRecord(directory, again, "bf16").standing()
    assert not DivergenceRecord(directory, load_config("demo"), "fp32").standing()
    CheckpointStore(directory, keep=3).save(State({"frames": 1}, {}), "")
    assert not DivergenceRecord(directory, again, "fp32").standing()


def test_weights_and_checkpoints_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    policy = policy_of("small", spec=spec_of(), view=(16, 16, 1))
    state = policy.state_dict()
    name, first = next(iter(state.items()))
    with pytest.raises(ValueError, match=rf'the model: "{name}" holds values that are not finite'):
        load_weights(policy, {**state, name: torch.full_like(first, math.nan)}, "the model")
    store = CheckpointStore(tmp_path, keep=2)
    store.save(State({"frames": 1}, {"average": {"a": torch.ones(2)}}), "")
    for unsaid in (State({"mean": math.nan}, {}), State({}, {"average": {"a": torch.tensor([1.0, math.inf])}})):
        with pytest.raises(CheckpointError, match="this one is not written, the last one stays"):
            store.save(unsaid, "")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-00000001"]


def test_json_is_strict() -> None:
    value = {"loss": math.nan, "nested": [{"a": -math.inf}, (1.5, math.inf)], "name": "é"}
    assert strict_json.report(value) == '{"loss": null, "nested": [{"a": null}, [1.5, null]], "name": "é"}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        strict_json.exact(value)
    for text in ("NaN", '{"a": -Infinity}'):
        assert json.loads(text) is not None, "Python alone reads it"
        with pytest.raises(ValueError, match="is not JSON"):
            strict_json.read(text)


@pytest.mark.parametrize(
    "setting",
    [
        "learner.learning_rate=.inf",
        "learner.terms={a: .nan}",
        "discriminator.betas=[0.5, .nan]",
        "engine.settings.x=.inf",
    ],
)
def test_settings_are_finite(setting: str) -> None:
    with pytest.raises(ValueError, match=r"finite number|makes no JSON"):
        load_config("demo", [setting])


def test_settings_without_a_limit_work(tmp_path: Path) -> None:
    limits = [f"learner.{key}=.inf" for key in ("rho_bar", "c_bar", "gradient_clip")]
    unlimited = load_config("demo", ["learner.off_policy=vtrace", *limits])
    (tmp_path / "run.yaml").write_text(unlimited.to_yaml())
    assert load_config(str(tmp_path / "run.yaml")) == unlimited
    for objective in (VTrace(rho_bar=math.inf, c_bar=math.inf), Decoupled(rho_bar=math.inf)):
        learner = learner_of(off_policy=objective, gradient_clip=math.inf)
        before = next(iter(learner.policy.parameters())).clone()
        learner.learn(batch(), REWARDS)
        learner.check()
        assert learner.updates == 1
        assert not torch.equal(before, next(iter(learner.policy.parameters())))


def test_what_is_saturated_for_minutes_is_warned_of_once() -> None:
    saturation, warnings = Saturation(), SaturationWarnings()

    def said(now: float, nats: float, norm: float) -> list[str]:
        saturation.note(now, {"flag": 0.0, "end": nats}, norm)
        return warnings.due(saturation.seconds)

    assert said(0, 0.0, 1.0) == []
    assert said(WARN_S / 2, 1.0, 0.0) == [], "an entropy that came back"
    assert said(WARN_S, 0.0, 0.0) == []
    assert [sentence[:12] for sentence in (*said(1.5 * WARN_S, 0.0, 0.0), *said(2 * WARN_S, 0.0, 0.0))] == [
        "the gradient",
        "the entropy ",
    ]
    assert said(3 * WARN_S, 0.0, 0.0) == []
