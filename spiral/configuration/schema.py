"""The configuration of a run: one typed schema; :mod:`spiral.configuration.files` reads it.

Everything that decides *what is learned* is here and is stored with the run; where a service listens
and whom it talks to is in :mod:`spiral.serving.options`.
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
"""Distances to the target that our discriminator can answer as score terms."""


def _known(name: str, known: tuple[str, ...]) -> str:
    """The name of a part that is here or that can be imported; ValueError if it is neither."""
    if name not in known and not is_path(name):
        raise ValueError(f'"{name}" is unknown; expected one of {", ".join(known)}, or {HINT}')
    return name


class EngineConfig(Section):
    """Which engine paints, and how."""

    name: str = "mypaint"
    """Engine, by name."""
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
    """``small``: for CPUs, pooled view and two layers; ``paper``: docs/method.md, 5; or one of your own:
    docs/recipes/network.md."""
    width: int = Field(256, ge=16, le=4096)
    """Width of ``small``, units."""
    pooled_size: int = Field(16, ge=4, le=64)
    """Side to which ``small`` averages the view, pixels."""
    patch: int = Field(0, ge=0, le=9)
    """Side of the patch, pixels of the view, that ``small`` looks at about the pen and about each place of a stroke
    before it chooses what comes after; 0: none."""
    glimpse: int = Field(0, ge=0, le=63)
    """Side of the square about the pen, pixels of the view, that ``small`` sees besides; it then chooses places by
    where they are from the pen, too; 0: none."""
    noise: int = Field(0, ge=0, le=256)
    """Length of the noise vector drawn once an episode; 0: none."""
    blind: bool = False
    """Keep its own painting from it, at every step; what else it sees stays (docs/method.md, 2)."""
    moves: Literal["free", "first", "alternate"] = "free"
    """Which actions may move the pen without painting: any; the first of an episode alone, so that all strokes are
    joined; or every second one has to, so that each stroke begins where it likes."""

    @field_validator("network")
    @classmethod
    def _network_is_known(cls, name: str) -> str:
        return _known(name, NETWORKS)


class ActorConfig(Section):
    """How paintings are made."""

    batch: int = Field(64, ge=1, le=4096)
    """Canvases of a group, which step together and are sent as one trajectory message."""
    groups: int = Field(2, ge=1, le=16)
    """Groups of an actor: while one renders, another infers."""


class LearnerConfig(ChoosingSection):
    """How the policy is trained."""

    once_in_every_file: ClassVar[frozenset[str]] = frozenset({"rho_bar", "c_bar", "clip"})
    batch: int = Field(64, ge=1)
    """Episodes of a batch."""
    queue: int = Field(2, ge=1)
    """Trajectory messages that may be under way to the learner or wait there, the fewer, the fresher. It allows more as
    long as it waits for paintings while actors wait for it."""
    queue_bytes: int = Field(1 << 30, ge=1 << 20)
    """Bytes of trajectories that may be under way to the learner or wait there, however many."""
    max_lag: int = Field(200, ge=1)
    """Oldest weights that a trajectory may have been painted with, updates before the present; older ones are
    dropped."""
    objective: PolicyObjective = Field(VTrace(), alias="off_policy")
    """Correction for the difference between the weights that painted and those that learn: importance weights, or a
    surrogate clipped about the weights that painted (``clip``) or about those before the batch (``decoupled``)."""
    reuse: int = Field(1, ge=1, le=16)
    """How often each trajectory is learned from."""
    minibatches: int = Field(1, ge=1)
    """Updates for each use of a batch, each on its share of the episodes."""
    hold_batches: int = Field(0, ge=0)
    """Batches at the start of a run from which the discriminator learns alone: time to catch up with a policy that
    began as a model."""
    reward: Literal["final", "tca"] = "final"
    """``final``: the score of the final picture; ``tca``: the differences of successive scores."""
    discount: float = Field(1.0, ge=0, le=1)
    """Discount γ for each action."""
    trace_decay: float = Field(1.0, ge=0, le=1, alias="lambda")
    """λ of the returns; 1: no bootstrapping within an episode on policy."""
    terms: dict[str, float] = Field(default_factory=dict)
    """Weight of each named score term; empty: the first term with weight 1."""
    blank_penalty: float = Field(0.0, ge=0)
    """Taken off at the end of an episode in which nothing was painted, in units of the reward."""
    stroke_penalty: float = Field(0.0, ge=0)
    """Taken off for each stroke that starts apart from the one before, the first one excepted, in units of the
    reward."""
    length_penalty: float = Field(0.0, ge=0)
    """Taken off for strokes as long as the canvas' side, in proportion to their length, in units of the reward."""
    reward_scale: Literal["none", "deviation"] = "none"
    """``deviation``: rewards are divided by the running deviation of the scores and cut to ±10."""
    learning_rate: float = Field(1e-4, gt=0)
    """Step size of the optimizer."""
    learning_rate_floor: float = Field(1.0, ge=0, le=1)
    """Share of the learning rate that is left after ``learning_rate_frames``; 1: it stays as it is."""
    learning_rate_frames: int | None = Field(1_000_000, ge=1)
    """Learned frames over which the learning rate falls, linearly; null: over the whole run."""
    optimiser: Literal["adam", "rmsprop"] = "adam"
    """Adam (0.9, 0.999, ε 1e-8) or RMSProp (0.99, ε 0.1)."""
    value_cost: float = Field(0.5, ge=0)
    """Weight of the value loss."""
    entropy_cost: float = Field(0.01, ge=0)
    """Weight of the entropy bonus, for each component not named in ``entropy_costs``."""
    entropy_costs: dict[str, float] = Field(default_factory=dict)
    """Weight of the entropy bonus of single components, by name."""
    entropy_floor: float = Field(1.0, ge=0, le=1)
    """Share of the entropy's weights that is left after ``entropy_frames``; 1: they stay as they are."""
    entropy_frames: int | None = Field(1_000_000, ge=1)
    """Learned frames over which the entropy's weights fall, linearly; null: over the whole run."""
    hindsight: float = Field(0.0, ge=0)
    """Conditional runs: weight of the log-likelihood of an episode's actions, were its final picture the target."""
    paintings_per_target: int = Field(1, ge=1, le=16)
    """Conditional runs: how often in a row the discriminator hands out each target. Above 1 the advantages of its
    paintings are taken against each other's."""
    gradient_clip: float = Field(40.0, gt=0, allow_inf_nan=True)
    """Largest norm of the gradient; .inf: no limit."""
    average: float = Field(0.995, ge=0, lt=1)
    """Decay of the running average of the weights, each update; painting uses the average."""
    average_floor: float = Field(1.0, gt=0, le=1)
    """Share of the average's length, 1 / (1 - ``average``) updates, that is left at the end of the run; it falls
    linearly."""
    run_frames: int = Field(1_000_000, ge=1)
    """Learned frames of a run without a limit, over which falls what falls over the whole run."""
    checkpoint_s: float = Field(60.0, gt=0)
    """Time between checkpoints, seconds."""
    sample_s: float = Field(60.0, gt=0)
    """Time between contact sheets, seconds."""
    keep: int = Field(3, ge=2)
    """Checkpoints kept."""


class DiscriminatorConfig(ChoosingSection):
    """How pictures are judged."""

    once_in_every_file: ClassVar[frozenset[str]] = frozenset({"gradient_penalty", "centring", "r1", "r1_every"})
    kind: Literal["learned", "l2"] = "learned"
    """``learned``: a network trained against the painter; ``l2``: the distance to the target."""
    objective: DiscriminatorObjective = WganGp()
    """What the network is trained for (docs/method.md, 1, 3 and 6): Wasserstein, or the logistic loss with R1 or with
    normalized layers."""
    complement: Literal["none", "halves", "random"] = "none"
    """Conditional runs: judge part of each painting beside the rest of its target, one half or random cells
    (docs/method.md, 3)."""
    terms: tuple[str, ...] = ()
    """Conditional runs: distances to the target that are answered beside the judge's own score, for ``learner.terms``:
    ``l2``; ``colour-emd``, the earth-mover distance of the color histograms (docs/method.md, 2); or one of your own:
    docs/recipes/score-term.md."""
    channels: tuple[int, ...] = (64, 128, 256, 512)
    """Output channels of the convolutions, each of which halves the picture."""
    learning_rate: float = Field(1e-4, gt=0)
    """Step size of Adam."""
    betas: tuple[float, float] = (0.5, 0.999)
    """Decays of Adam's averages."""
    batch: int = Field(64, ge=1)
    """Pictures of each kind in an update."""
    replay: int = Field(20, ge=1)
    """Remembered batches of paintings from which updates draw."""
    updates_per_batch: int = Field(1, ge=0, le=100)
    """Updates for each remembered batch, exactly."""
    update_first: bool = True
    """Make the updates that a batch earns before it is scored, not afterwards."""

    @field_validator("terms")
    @classmethod
    def _terms_are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_known(name, DISTANCES) for name in names)


class RunConfig(Section):
    """Everything that decides what a run learns."""

    preset: str = ""
    """Where it came from."""
    seed: int = Field(0, ge=0, lt=2**31)
    """Seed of everything random."""
    data: str = "mnist-sample"
    """Data set, by name, or ``folder:PATH``: a folder or zip of pictures."""
    hold_out_validation: bool = False
    """Keep the validation pictures from being learned from, so that choices can look at them (docs/evaluation.md).
    Presets do; a file that does not say so learns from the whole training set, as all runs once did."""
    num_actions: int = Field(20, ge=1, le=1000)
    """Actions of an episode, T."""
    unroll: int = Field(50, ge=1, le=1000)
    """Most actions of a trajectory message. Longer episodes are cut into equal unrolls, after each of which the value
    stands for the rewards to come."""
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
    """How pictures are judged."""

    @model_validator(mode="after")
    def _batches_fit(self) -> RunConfig:
        """Refuse sizes with which the loop would stand still (docs/architecture.md)."""
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
                    "target are in one of them"
                )

    def _needs_targets(self) -> None:
        judge = self.discriminator
        if not self.conditional:
            if self.learner.hindsight:
                raise ValueError("learner.hindsight: it learns from targets; set conditional=true")
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
            raise ValueError('discriminator.complement: "l2" has no pairs to mask; discriminator.kind=learned has')

    def _terms_are_answered(self) -> None:
        """A service of somebody else's may answer terms of other names; those of ours are known beforehand."""
        judge, asked = self.discriminator, self.learner.terms
        if judge.kind == "l2" and "discriminator" in asked:
            raise ValueError(
                'learner.terms: "discriminator" is the score of one that learns, and discriminator.kind="l2" has none; '
                "learner.terms={} pays its distance alone"
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
        """What choices look at: the validation pictures, or, where the run learns from those too, the test pictures."""
        return "validation" if self.hold_out_validation else "test"

    def to_yaml(self) -> str:
        """The effective configuration, every key written out."""
        return yaml.safe_dump(self.model_dump(mode="json", by_alias=True), sort_keys=False)
