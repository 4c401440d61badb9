"""Runs with a target: through the four services, and every kind of agent and judge in lockstep."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spiral.configuration.files import load_config
from spiral.evaluation.targets import mse
from spiral.launcher.lockstep import Lockstep, deterministic
from spiral.runs.checkpoints import read_latest
from spiral.runs.directory import Run
from spiral.runs.limits import Limits
from spiral.serving.metrics import new_metrics
from tests.support.launched import SMALL, Launched

KINDS = {
    "wgan-gp": ["discriminator.objective=wgan-gp"],
    "spectral norm": ["discriminator.objective=spectral-norm"],
    "halves": ["discriminator.complement=halves"],
    "random masks": ["discriminator.complement=random", "discriminator.replay=2"],
    "blind": ["policy.blind=true"],
    "l2": ["discriminator.kind=l2", "learner.terms={}", "learner.reward_scale=deviation"],
    "several terms": [
        "discriminator.terms=[l2, colour-emd]",
        "learner.terms={discriminator: 1, l2: 2.5, colour-emd: 0.5}",
    ],
    "paper": ["policy.network=paper", "policy.patch=0", "policy.glimpse=0", "engine.settings.view=64"],
}
SETTINGS = ["data=mnist-sample", *(f"{key}={value}" for key, value in SMALL.items()), "num_actions=3"]


def small_lockstep(tmp_path: Path, name: str, *settings: str) -> Lockstep:
    run = Run(tmp_path / name)
    run.path.mkdir(exist_ok=True)
    return Lockstep(load_config("mnist-reconstruct", [*SETTINGS, *settings]), run, Limits())


@pytest.mark.timeout(600)
def test_the_services_reproduce_targets_together(tmp_path: Path) -> None:
    """Targets go from discriminator to actor, with the trajectory to the learner, and back to be judged in pairs."""
    settings = {
        **SMALL,
        "data": "mnist-sample",
        "discriminator.complement": "random",
        "discriminator.terms": "[l2]",
        "learner.terms": "{discriminator: 1.0, l2: 2.0}",
    }
    run = Launched(tmp_path / "runs", "--preset=mnist-reconstruct", "--frames=1500", settings=settings)
    try:
        assert run.wait() == 0, run.text() + run.logs()
        assert run.frames() >= 1500
        last = run.run.history()[-1]
        assert set(last["terms"]) == {"discriminator", "l2"}
        # The term is minus the root of the squared error, so its mean is bounded by the error's (Jensen).
        assert -np.sqrt(last["mse"]) <= last["terms"]["l2"] + 1e-6 < 0
        (ending,) = run.objects("ending")
        assert ending["missing"] == []
        assert 0 < ending["evaluation"]["mse"] < 1
        sheet = max(run.run.samples.glob("sheet-*.png"))
        width, height = Image.open(sheet).size
        assert width > 1.5 * height  # paintings and targets beside each other
    finally:
        run.end()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_judge_and_agent_learns_from_targets(tmp_path: Path, kind: str) -> None:
    with deterministic(threads=1):
        lockstep = small_lockstep(tmp_path, "run", *KINDS[kind])
        before = {name: weights.clone() for name, weights in lockstep.trainer.learner.policy.state_dict().items()}
        for _ in range(2):
            lockstep.step()
        record = lockstep.finish()
    batch = lockstep.trainer.last
    assert batch is not None
    assert batch.trajectory.targets is not None
    after = lockstep.trainer.learner.policy.state_dict()
    assert all(weights.isfinite().all() for weights in after.values())
    assert any((weights != before[name]).any() for name, weights in after.items())
    assert record is not None
    assert record["mse"] == pytest.approx(mse(batch.trajectory.observations[-1], batch.trajectory.targets).mean())
    assert record["terms"] == {name: pytest.approx(scores[-1].mean()) for name, scores in batch.terms.items()}


def test_terms_are_weighted_as_configured_and_shown(tmp_path: Path) -> None:
    from spiral.services.learner.metrics import LearnerMetrics  # noqa: PLC0415  (the only test here that needs the service's parts)

    with deterministic(threads=1):
        lockstep = small_lockstep(tmp_path, "run", *KINDS["several terms"])
        lockstep.step()
    trainer = lockstep.trainer
    assert trainer.last is not None
    terms = trainer.last.terms
    combined = terms["discriminator"] + 2.5 * terms["l2"] + 0.5 * terms["colour-emd"]
    exposed = new_metrics("learner")
    metrics = LearnerMetrics(exposed, trainer)
    record = trainer.finish()
    assert record is not None
    assert record["score_final"] == pytest.approx(combined[-1].mean(), abs=1e-5)
    assert record["reward"] == pytest.approx((combined[-1] - combined[0]).mean(), abs=1e-5)  # differences telescope
    metrics.recorded({**record, "waits": {}}, actors=1, painted_s=0.0)
    assert 0 < record["ink_share"] <= 1, "the pen leaves ink"
    assert exposed.registry.get_sample_value("spiral_learner_ink_share") == record["ink_share"]
    for name, scores in terms.items():
        shown = exposed.registry.get_sample_value("spiral_learner_term", {"term": name})
        assert shown == pytest.approx(scores[-1].mean())


def test_a_term_that_nobody_answers_is_a_sentence(tmp_path: Path) -> None:
    with deterministic(threads=1):
        lockstep = small_lockstep(tmp_path, "run", "learner.terms={discriminator: 1, l3: 1}")
        with pytest.raises(
            ValueError, match=r"learner\.terms: \['l3'\] not answered by the discriminator; it has \['d"
        ):
            lockstep.step()


@pytest.mark.parametrize("kind", ["random masks", "spectral norm"])
def test_a_resumed_run_equals_one_that_was_not_interrupted(tmp_path: Path, kind: str) -> None:
    def train(name: str, *stops: int) -> dict[str, dict[str, np.ndarray]]:
        for batches in stops:
            with deterministic(threads=1):
                lockstep = small_lockstep(tmp_path, name, *KINDS[kind])
                for _ in range(batches):
                    lockstep.step()
                lockstep.finish()
        found = {}
        for service in ("learner", "discriminator"):
            checkpoint = read_latest(Run(tmp_path / name).checkpoints(service))
            assert checkpoint is not None
            tensors = checkpoint.state.tensors
            found[service] = {
                f"{group}.{key}": tensor.numpy()
                for group, values in tensors.items()
                for key, tensor in values.items()
                if group != "answers"
            }
        return found

    whole, resumed = train("whole", 4), train("interrupted", 2, 2)
    for service, tensors in whole.items():
        assert tensors.keys() == resumed[service].keys()
        for name, tensor in tensors.items():
            np.testing.assert_array_equal(tensor, resumed[service][name], err_msg=name)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("discriminator.kind=l2", 'discriminator.kind: "l2" measures the distance to a target; set conditional=true'),
        ("discriminator.terms=[l2]", "discriminator.terms: l2 measure distances to a target; set conditional=true"),
        ("learner.paintings_per_target=4", "paintings_per_target: there are no targets; set conditional=true"),
        ("discriminator.complement=halves", 'complement: "halves" hides parts of a target; set conditional=true'),
    ],
)
def test_what_needs_a_target_is_refused_without_one(setting: str, message: str) -> None:
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        load_config("mnist", [setting])


@pytest.mark.parametrize(
    ("settings", "size"),
    [(["actor.batch=2", "learner.queue=32"], "actor.batch of 2"), (["learner.minibatches=32"], "a minibatch of 2")],
)
def test_the_paintings_of_a_target_fit_into_what_is_painted_and_learnt_from_at_once(settings, size) -> None:
    with pytest.raises(ValueError, match=f"paintings_per_target: 4 does not divide {size}"):
        load_config("mnist-reconstruct", ["learner.paintings_per_target=4", *settings])


def test_terms_that_nobody_answers_are_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match=r'which discriminator\.kind="l2" does not have; learner\.terms=\{\} rewards'):
        load_config("mnist-reconstruct", ["discriminator.kind=l2", "learner.terms={discriminator: 1}"])
    with pytest.raises(ValueError, match=r"l2 is not answered; discriminator\.terms=\['colour-emd', 'l2'\] asks"):
        load_config("mnist-reconstruct", ["discriminator.terms=[colour-emd]"])


def test_masks_need_a_judge_with_pairs() -> None:
    with pytest.raises(ValueError, match='"l2" has no pairs to mask'):
        load_config("mnist-reconstruct", ["discriminator.kind=l2", "discriminator.complement=random"])
