"""An objective of one's own is one file: laid into the folder, or anywhere that Python finds it."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest

import spiral.objectives.discriminator
import spiral.objectives.policy
from spiral.configuration.files import load_config
from spiral.launcher.lockstep import run_lockstep
from spiral.runs.directory import Run
from spiral.runs.limits import Limits

POLICY = '''
import torch
from pydantic import Field

from spiral.objectives.policy import PolicyObjective


class Tempered(PolicyObjective):
    """The policy gradient with importance weights to a power."""

    power: float = Field(0.5, ge=0)

    def loss(self, steps, advantages):
        weight = (self.power * (steps.log_prob - steps.behaviour_log_prob)).detach().exp()
        return -(steps.log_prob * weight * torch.tanh(advantages)).mean()
'''
DISCRIMINATOR = '''
import torch
from pydantic import Field

from spiral.objectives.discriminator import DiscriminatorObjective
from spiral.objectives.pictures import Loss


class Hinge(DiscriminatorObjective):
    """max(0, m − D(real)) + max(0, m + D(painted))."""

    margin: float = Field(1.0, gt=0)

    def loss(self, network, pictures, generator, update):
        real, painted = pictures.score(network, pictures.real, pictures.painted)
        total = torch.relu(self.margin - real).mean() + torch.relu(self.margin + painted).mean()
        return Loss(total, real.detach(), painted.detach())
'''
TINY = ("actor.batch=4", "learner.batch=8", "policy.width=16", "policy.pooled_size=8", "discriminator.channels=[4,8]")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("where", ["in the folder", "by its path"])
def test_it_trains_and_its_run_goes_on(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if where == "in the folder":
        policy, discriminator = "tempered-once", "hinge"
        for package, file, text in (
            (spiral.objectives.policy, "tempered_once.py", POLICY),
            (spiral.objectives.discriminator, "hinge.py", DISCRIMINATOR),
        ):
            folder = tmp_path / package.__name__
            folder.mkdir()
            (folder / file).write_text(text)
            monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    else:
        policy, discriminator = "my_objectives.tempered:Tempered", "my_objectives.hinge:Hinge"
        (tmp_path / "my_objectives").mkdir()
        (tmp_path / "my_objectives" / "tempered.py").write_text(POLICY)
        (tmp_path / "my_objectives" / "hinge.py").write_text(DISCRIMINATOR)
        monkeypatch.syspath_prepend(tmp_path)
    config = load_config(
        "demo",
        [
            *TINY,
            f"learner.off_policy={policy}",
            "learner.power=0.25",
            f"discriminator.objective={discriminator}",
            "discriminator.margin=0.5",
        ],
    )
    assert (config.learner.objective.name(), config.discriminator.objective.name()) == (policy, discriminator)
    run, batch = Run(tmp_path / "run"), 8 * config.num_actions
    run.path.mkdir()
    for batches in (3, 5):
        found = run_lockstep(
            config, run, Limits(frames=batches * batch), threads=1, stopping=Event(), on_record=lambda record: None
        )
        assert run.config() == config
        assert run.config().to_yaml() == config.to_yaml()
    assert "resumed" in found
