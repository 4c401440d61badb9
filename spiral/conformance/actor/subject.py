"""An actor under test, between the renderer, the discriminator and the learner that the suite plays."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from spiral.conformance.case import Failure, Skip, require
from spiral.conformance.peers.discriminator import PlayedDiscriminator
from spiral.conformance.peers.learner import Delivered, PlayedLearner
from spiral.conformance.peers.renderer import PlayedRenderer
from spiral.conformance.peers.squares import blank, paint
from spiral.conformance.peers.task import Task
from spiral.conformance.target import Target, until
from spiral.values.trajectories import Trajectory
from spiral.values.versions import Version
from spiral.wire import tensors


@dataclass(slots=True, kw_only=True)
class ActorTarget(Target):
    """An actor that paints for the suite."""

    task: Task
    renderer: PlayedRenderer
    discriminator: PlayedDiscriminator
    learner: PlayedLearner
    weights_file: bytes = b""
    """Weights that were given, where the suite can't make those of the target's policy."""
    _published: list[Version] = field(default_factory=list)

    def start(self) -> None:
        """Start it, with weights to be had, and wait until it has sent a trajectory."""
        before = len(self.learner.delivered)
        super(ActorTarget, self).start()
        self.more(1, before, self.start_s)

    def publish(self, version: Version, zeroed: bool = False) -> Version:
        """Serve weights under a version."""
        self.learner.weights.data = self.make_weights(zeroed)
        self.learner.weights.version = version
        self._published.append(version)
        return version

    def next_version(self) -> Version:
        """One that no weights have had, of the same generation."""
        newest = max(self._published)
        return Version(newest.generation, newest.number + 1)

    def make_weights(self, zeroed: bool = False) -> bytes:
        """Weights of the run's policy, or all zero; Skip where a file was given and zeros are wanted."""
        if self.weights_file:
            if zeroed:
                raise Skip("the weights were given in a file, so the suite can't make others")
            return self.weights_file
        from spiral.policy.weights import dump_weights  # noqa: PLC0415  (imports torch)

        state = self.task.policy().state_dict()
        return dump_weights({name: value * 0 for name, value in state.items()} if zeroed else state)

    def more(self, count: int, since: int | None = None, timeout_s: float | None = None) -> list[Delivered]:
        """Wait until ``count`` more trajectories have come than ``since``; those."""
        delivered = self.learner.delivered
        start = len(delivered) if since is None else since
        until(lambda: len(delivered) >= start + count, f"{count} trajectories", timeout_s)
        return delivered[start : start + count]

    def by(self, version: Version) -> Delivered:
        """Wait for a trajectory that ``version`` alone painted; it."""
        delivered = self.learner.delivered
        start = len(delivered)

        def found() -> Delivered | None:
            wanted = (version.generation, version.number)
            return next((each for each in delivered[start:] if _pair(each.header.oldest_version) == wanted), None)

        each = until(found, f"a trajectory painted with version {version}")
        if each is None:
            raise Failure(f"no trajectory painted with version {version}")
        return each

    def read(self, delivered: Delivered) -> Trajectory:
        """The tensors of a trajectory; Failure where they are not those of the contract."""
        expected = self.task.contract.tensors(self.batch_of(delivered))
        names = [spec.name for spec in delivered.header.tensors]
        require(names == list(expected), f"tensors are {names}; expected {list(expected)}")
        require(
            len(delivered.frames) == 1 + len(expected),
            f"{len(delivered.frames) - 1} frames follow the header; expected {len(expected)}",
        )
        try:
            arrays = {
                name: tensors.view(spec, frame, dtype, shape)
                for spec, frame, (name, (dtype, shape)) in zip(
                    delivered.header.tensors, delivered.frames[1:], expected.items(), strict=True
                )
            }
        except ValueError as error:
            raise Failure(str(error)) from error
        trajectory = Trajectory(**arrays)  # type: ignore[arg-type]  # names and types are the contract's
        if (start := trajectory.first_step) is not None:
            num_actions, length = self.task.contract.num_actions, self.task.contract.length
            right = (start >= 0) & (start < num_actions) & (start % length == 0)
            require(right.all(), f"first_step {start.tolist()} of episodes of {num_actions} actions cut after {length}")
        return trajectory

    def batch_of(self, delivered: Delivered) -> int:
        """B, as the first tensor says; Failure where it says nothing."""
        shapes = [tuple(spec.shape) for spec in delivered.header.tensors]
        require(
            shapes and len(shapes[0]) == 5, f"the first tensor has the shape {shapes[:1]}; expected [T + 1, B, H, W, C]"
        )
        return int(shapes[0][1])


def uniform(task: Task, trajectory: Trajectory) -> np.ndarray:
    """Joint log-probability [T, B] of its actions under a policy that prefers nothing; 0 of what fills up an unroll."""
    spec = task.contract.spec
    log_prob: np.ndarray = -(spec.mask(trajectory.actions) * np.log(spec.sizes)).sum(-1)
    return np.where(steps_of(trajectory) < task.contract.num_actions, log_prob, 0)


def steps_of(trajectory: Trajectory) -> np.ndarray:
    """Actions [T, B] of the episode before each of its actions."""
    first_step = np.zeros(trajectory.batch, np.int32) if trajectory.first_step is None else trajectory.first_step
    steps: np.ndarray = first_step + np.arange(len(trajectory.actions))[:, None]
    return steps


def check_painted(trajectory: Trajectory, num_actions: int) -> None:
    """Fail unless the observations are what the actions paint, those before an unroll's included."""
    canvases = [blank(trajectory.batch)]
    for actions in trajectory.program(num_actions):
        canvases.append(paint(canvases[-1], actions))
    first_step = steps_of(trajectory)[0]
    seen = np.minimum(first_step + np.arange(len(trajectory.observations))[:, None], num_actions)
    right = np.stack(canvases)[seen, np.arange(trajectory.batch)]
    for number, (found, wanted) in enumerate(zip(trajectory.observations, right, strict=True)):
        what = "what the actions paint" if number or first_step.any() else "the blank canvas"
        require((found == wanted).all(), f"observation {number} is not {what}")


def _pair(version: object) -> tuple[int, int]:
    return getattr(version, "generation", 0), getattr(version, "number", 0)
