"""The configuration of a run: one typed schema; :mod:`spiral.configuration.files` reads it.

Everything that decides *what is learned* is here and is stored with the run. Where a service listens and which services
it talks to is in :mod:`spiral.serving.options`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import yaml
from pydantic import Field, field_validator, model_validator

from spiral.configuration.choosing import ChoosingSection
from spiral.objectives.discriminator import DiscriminatorObjective
from spiral.objectives.discriminator.wgan_gp import WganGp
from spiral.objectives.policy import PolicyObjective
from spiral.objectives.policy.vtrace import VTrace
from spiral.values import strict_json
from spiral.values.imported import HINT, is_path
from spiral.values.section import Section

NETWORKS = ("small", "paper")
DISTANCES = ("l2", "colour-emd")
"""Distances to the target that the project's discriminator can answer as score terms."""


def _known(name: str, known: tuple[str, ...]) -> str:
    """``name``, if it is ``known`` or can be imported; ValueError otherwise."""
    if name not in known and not is_path(name):
        raise ValueError(f'"{name}" is unknown; expected one of {", ".join(known)}, or {HINT}')
    return name


class EngineConfig(Section):
    """Which engine paints, and how."""

    name: str = "mypaint"
    """Name of the engine."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """The engine's own settings; see its README."""

    @field_validator("settings")
    @classmethod
    def _numbers_are_finite(cls, settings: dict[str, Any]) -> dict[str, Any]:
        try:
            strict_json.exact(settings)
        except (ValueError, TypeError) as error:
            raise ValueError(f"engine.settings: {settings!r} makes no JSON: {error}") from error
        return settings


class PolicyConfig(Section):
    """The agent's network."""

    network: str = "small"
    """``small``: for CPUs, with a pooled view and two layers; ``paper``: docs/method.md, 5; or your own:
    docs/recipes/network.md."""
    width: int = Field(256, ge=16, le=4096)
    """Width of ``small``, units."""
    pooled_size: int = Field(16, ge=4, le=64)
    """Side to which ``small`` averages the view, pixels."""
    patch: int = Field(0, ge=0, le=9)
    """Side of the patch, pixels of the view, that ``small`` sees around the pen and around each chosen place of a
    stroke before it chooses the next component; 0: none."""
    glimpse: int = Field(0, ge=0, le=63)
    """Side of the square around the pen, pixels of the view, that ``small`` sees in addition. It then also chooses
    places by their offset from the pen. 0: none."""
    noise: int = Field(0, ge=0, le=256)
    """Length of the noise vector, which is drawn once per episode; 0: none."""
    blind: bool = False
    """Hide the canvas from the policy at every step; it still sees everything else (docs/method.md, 2)."""
    moves: Literal["free", "first", "alternate"] = "free"
    """Which actions may move the pen without painting. ``free``: any; ``first``: only the first of an episode, so all
    strokes are joined; ``alternate``: every second action must move, so each stroke begins at a chosen place."""

    @field_validator("network")
    @classmethod
    def _network_is_known(cls, name: str) -> str:
        return _known(name, NETWORKS)


class ActorConfig(Section):
    """How paintings are made."""

    batch: int = Field(64, ge=1, le=4096)
    """Canvases of a group, which step together and are sent as one trajectory message."""
    groups: int = Field(2, ge=1, le=16)
    """Groups of an actor; while one waits for its frames, another infers."""


class LearnerConfig(ChoosingSection):
    """How the policy is trained."""

    once_in_every_file: ClassVar[frozenset[str]] = frozenset({"rho_bar", "c_bar", "clip"})
    batch: int = Field(64, ge=1)
    """Episodes in a batch."""
    queue: int = Field(2, ge=1)
    """Trajectory messages that may be on their way to the learner or waiting there; with fewer they are fresher. The
    learner allows more while it waits for trajectories and actors wait for credits."""
    queue_bytes: int = Field(1 << 30, ge=1 << 20)
    """Most bytes of trajectories on their way to the learner or waiting there, whatever their number."""
    max_lag: int = Field(200, ge=1)
    """Largest age, in updates, of the weights that painted a trajectory; older trajectories are dropped."""
    objective: PolicyObjective = Field(VTrace(), alias="off_policy")
    """Correction for the difference between the weights that painted and those that learn: importance weights
    (``vtrace``), a surrogate clipped about the weights that painted (``clip``) or about those before the batch
    (``decoupled``), or ``none``."""
    reuse: int = Field(1, ge=1, le=16)
    """How often the learner uses each trajectory."""
    minibatches: int = Field(1, ge=1)
    """Updates in each pass over a batch, each on an equal share of the episodes."""
    hold_batches: int = Field(0, ge=0)
    """Batches at the start of a run from which only the discriminator learns, so that it can catch up with a policy
    that began as a model."""
    reward: Literal["final", "tca"] = "final"
    """``final``: the score of the final picture; ``tca``: the differences of successive scores."""
    discount: float = Field(1.0, ge=0, le=1)
    """Discount γ per action."""
    trace_decay: float = Field(1.0, ge=0, le=1, alias="lambda")
    """λ of the returns; 1: no bootstrapping within an episode on policy."""
    terms: dict[str, float] = Field(default_factory=dict)
    """Weight of each named score term; empty: the first term with weight 1."""
    blank_penalty: float = Field(0.0, ge=0)
    """Penalty at the end of an episode in which nothing was painted, in units of the reward."""
    stroke_penalty: float = Field(0.0, ge=0)
    """Penalty for each stroke, except the first, that starts apart from the one before, in units of the reward."""
    length_penalty: float = Field(0.0, ge=0)
    """Penalty for a stroke as long as the canvas' side, in units of the reward; proportional to the length."""
    reward_scale: Literal["none", "deviation"] = "none"
    """``deviation``: rewards are divided by the running deviation of the scores and clipped to ±10."""
    learning_rate: float = Field(1e-4, gt=0)
    """Step size of the optimizer."""
    learning_rate_floor: float = Field(1.0, ge=0, le=1)
    """Share of the learning rate that is left after ``learning_rate_frames``; 1: it does not fall."""
    learning_rate_frames: int | None = Field(1_000_000, ge=1)
    """Learned frames over which the learning rate falls linearly; null: over the whole run."""
    optimiser: Literal["adam", "rmsprop"] = "adam"
    """Adam (0.9, 0.999, ε 1e-8) or RMSProp (0.99, ε 0.1)."""
    value_cost: float = Field(0.5, ge=0)
    """Weight of the value loss."""
    entropy_cost: float = Field(0.01, ge=0)
    """Weight of the entropy bonus, for each component not named in ``entropy_costs``."""
    entropy_costs: dict[str, float] = Field(default_factory=dict)
    """Weight of the entropy bonus for single components, by name."""
    entropy_floor: float = Field(1.0, ge=0, le=1)
    """Share of the entropy weights that is left after ``entropy_frames``; 1: they do not fall."""
    entropy_frames: int | None = Field(1_000_000, ge=1)
    """Learned frames over which the entropy weights fall linearly; null: over the whole run."""
    hindsight: float = Field(0.0, ge=0)
    """Conditional runs: weight of the log-likelihood of an episode's actions with its final picture as the target."""
    paintings_per_target: int = Field(1, ge=1, le=16)
    """Conditional runs: how often in a row the discriminator hands out each target. Above 1, the advantages of its
    paintings are compared with each other."""
    gradient_clip: float = Field(40.0, gt=0, allow_inf_nan=True)
    """Largest norm of the gradient; .inf: no limit."""
    average: float = Field(0.995, ge=0, lt=1)
    """Decay per update of the running average of the weights; `spiral paint` and `eval` use the average."""
    average_floor: float = Field(1.0, gt=0, le=1)
    """Share of the average's length, 1 / (1 - ``average``) updates, that is left at the end of the run; it falls
    linearly."""
    run_frames: int = Field(1_000_000, ge=1)
    """Length, in learned frames, of the schedules over the whole run if the run has no limit."""
    checkpoint_s: float = Field(60.0, gt=0)
    """Time between checkpoints, seconds."""
    sample_s: float = Field(60.0, gt=0)
    """Time between contact sheets, seconds."""
    keep: int = Field(3, ge=2)
    """Checkpoints kept."""


class DiscriminatorConfig(ChoosingSection):
    """How pictures are scored."""

    once_in_every_file: ClassVar[frozenset[str]] = frozenset({"gradient_penalty", "centring", "r1", "r1_every"})
    kind: Literal["learned", "l2"] = "learned"
    """``learned``: a network trained against the policy; ``l2``: the distance to the target."""
    objective: DiscriminatorObjective = WganGp()
    """Training objective of the network (docs/method.md, 1, 3 and 6): Wasserstein (``wgan-gp``), or the logistic loss
    with R1 (``r1``) or with spectral normalization (``spectral-norm``)."""
    complement: Literal["none", "halves", "random"] = "none"
    """Conditional runs: show the judge only part of each painting, one half or random cells, and only the other part
    of its target (docs/method.md, 3)."""
    terms: tuple[str, ...] = ()
    """Conditional runs: distances to the target that the judge answers besides its own score, for ``learner.terms``:
    ``l2``; ``colour-emd``, the earth-mover distance of the color histograms (docs/method.md, 2); or your own:
    docs/recipes/score-term.md."""
    channels: tuple[int, ...] = (64, 128, 256, 512)
    """Output channels of the convolutions; each convolution halves the picture."""
    learning_rate: float = Field(1e-4, gt=0)
    """Step size of Adam."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Decays of Adam's averages."""
    batch: int = Field(64, ge=1)
    """Pictures of each kind in an update."""
    replay: int = Field(20, ge=1)
    """Remembered batches of paintings that updates draw from."""
    updates_per_batch: int = Field(1, ge=0, le=100)
    """Exact number of updates for each remembered batch."""
    update_first: bool = True
    """Make the updates that a batch earns before it is scored, not after."""

    @field_validator("terms")
    @classmethod
    def _terms_are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_known(name, DISTANCES) for name in names)


class RunConfig(Section):
    """Everything that decides what a run learns."""

    preset: str = ""
    """The preset or file that it came from."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Seed of everything random."""
    data: str = "mnist-sample"
    """Name of the data set, or ``folder:PATH`` for a folder or zip of pictures."""
    hold_out_validation: bool = False
    """Do not learn from the validation pictures, so that choices can be based on them (docs/evaluation.md). Presets set
    this; a file that does not set it learns from the whole training set, as all runs once did."""
    num_actions: int = Field(20, ge=1, le=1000)
    """Actions of an episode, T."""
    unroll: int = Field(50, ge=1, le=1000)
    """Most actions in a trajectory message. Longer episodes are cut into equal unrolls; after each, the value stands
    for the rewards still to come."""
    conditional: bool = False
    """Give a target to policy and discriminator."""
    engine: EngineConfig = EngineConfig()
    """Which engine paints, and how."""
    policy: PolicyConfig = PolicyConfig()
    """The agent's network."""
    actor: ActorConfig = ActorConfig()
    """How paintings are made."""
    learner: LearnerConfig = LearnerConfig()
    """How the policy is trained."""
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    """How pictures are scored."""

    @model_validator(mode="after")
    def _batches_fit(self) -> RunConfig:
        """Refuse sizes with which the loop would stall."""
        if self.learner.batch % self.actor.batch:
            raise ValueError(
                f"actor.batch: {self.actor.batch} does not divide learner.batch {self.learner.batch}; "
                "a batch is made of whole trajectory messages"
            )
        if self.learner.queue * self.actor.batch < self.learner.batch:
            raise ValueError(
                f"learner.queue: {self.learner.queue} messages of {self.actor.batch} episodes never fill a batch of "
                f"{self.learner.batch}; expected at least {self.learner.batch // self.actor.batch}"
            )
        if self.learner.batch % self.learner.minibatches:
            raise ValueError(
                f"learner.minibatches: {self.learner.minibatches} does not divide learner.batch {self.learner.batch}"
            )
        self._companions_fit()
        self._needs_targets()
        self._terms_are_answered()
        return self

    def _companions_fit(self) -> None:
        learner, several = self.learner, self.learner.paintings_per_target
        for name, size in (("actor.batch", self.actor.batch), ("a minibatch", learner.batch // learner.minibatches)):
            if size % several:
                raise ValueError(
                    f"learner.paintings_per_target: {several} does not divide {name} of {size}; all paintings of a "
                    "target must be in one of them"
                )

    def _needs_targets(self) -> None:
        judge = self.discriminator
        if not self.conditional:
            if self.learner.hindsight:
                raise ValueError("learner.hindsight: it needs targets; set conditional=true")
            if self.learner.paintings_per_target > 1:
                raise ValueError("learner.paintings_per_target: there are no targets; set conditional=true")
            if judge.kind == "l2":
                raise ValueError('discriminator.kind: "l2" measures the distance to a target; set conditional=true')
            if judge.terms:
                raise ValueError(
                    f"discriminator.terms: {', '.join(judge.terms)} measure distances to a target; set conditional=true"
                )
            if judge.complement != "none":
                raise ValueError(
                    f'discriminator.complement: "{judge.complement}" hides parts of a target; set conditional=true'
                )
        elif judge.kind == "l2" and judge.complement != "none":
            raise ValueError('discriminator.complement: "l2" has no pairs to mask; set discriminator.kind=learned')

    def _terms_are_answered(self) -> None:
        """Check the project's own terms. A foreign service may answer other terms, which are not known here."""
        judge, asked = self.discriminator, self.learner.terms
        if judge.kind == "l2" and "discriminator" in asked:
            raise ValueError(
                'learner.terms: "discriminator" is a learned score, which discriminator.kind="l2" does not have; '
                "learner.terms={} rewards only the distance"
            )
        ours = [name for name in asked if name in DISTANCES or is_path(name)]
        silent = [name for name in ours if name not in (judge.kind, *judge.terms)]
        if silent:
            raise ValueError(
                f"learner.terms: {', '.join(silent)} {'is' if len(silent) == 1 else 'are'} not answered; "
                f"discriminator.terms={[*judge.terms, *silent]} asks for it"
            )

    @property
    def tuning_split(self) -> Literal["validation", "test"]:
        """The split for choices: the validation pictures, or the test pictures if the run also learns from those."""
        return "validation" if self.hold_out_validation else "test"

    def to_yaml(self) -> str:
        """The effective configuration with every key."""
        return yaml.safe_dump(self.model_dump(mode="json", by_alias=True), sort_keys=False)
