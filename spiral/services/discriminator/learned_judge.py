"""The judge that learns: a network trained to tell paintings from data, paced by the batches that it is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spiral.computing.divergence import NotFiniteError, SoundWeights
from spiral.computing.finite import require_finite
from spiral.computing.precision import FP32, Precision
from spiral.configuration.schema import DiscriminatorConfig
from spiral.datasets import Dataset
from spiral.objectives.pictures import Loss, Pictures, pair
from spiral.runs.checkpoints import State, pack_optimiser, unpack_optimiser
from spiral.services.discriminator.distances import distance_terms
from spiral.services.discriminator.judge import (
    Answers,
    Scores,
    Targets,
    Update,
    changed_frames,
    check_batch,
    draw,
    fill_forward,
)
from spiral.services.discriminator.masks import draw_masks
from spiral.services.discriminator.network import Critic, to_input
from spiral.services.discriminator.replay import Remembered, ReplayBuffer
from spiral.services.discriminator.statistics import RunningStatistics
from spiral.values.versions import Version

SCORING_CHUNK = 64
"""Pictures that are scored at a time: their activations then stay in the processor's cache, which makes a batch of
448 a third faster than in one go."""


class LearnedJudge:
    """Scores are the network's raw output; each remembered batch earns exactly ``updates_per_batch`` updates."""

    def __init__(
        self,
        config: DiscriminatorConfig,
        network: Critic,
        dataset: Dataset,
        targets: Targets,
        *,
        conditional: bool,
        device: torch.device,
        seed: int,
        generation: int,
        clock: Callable[[], float],
        precision: Precision = FP32,
    ) -> None:
        """``clock`` returns seconds; it only measures how long updates take.

        ``precision`` applies to updates only: scores are float32, because rewards are their differences.
        """
        self._config = config
        self._network = network.to(device).eval()
        self._dataset = dataset
        self._conditional = conditional
        self._device = device
        self._clock = clock
        self._precision = precision
        self._observation_shape = dataset.train.shape[1:]
        self._optimiser = torch.optim.Adam(
            self._network.parameters(), lr=config.learning_rate, betas=config.betas, fused=True
        )
        self._sound = self._new_sound()
        self.remembered = 0
        """See :class:`Judge`."""
        self._generator = torch.Generator().manual_seed(seed)
        self._targets = targets
        self._replay = ReplayBuffer(config.replay)
        self._answers = Answers()
        self._real, self._painted = RunningStatistics(), RunningStatistics()
        self._generation, self._updates, self._debt = generation, 0, 0

    @property
    def version(self) -> Version:
        """Version of the weights: the number counts updates."""
        return Version(self._generation, self._updates)

    @property
    def debt(self) -> int:
        """Updates earned and not made yet, at most those of one batch."""
        return self._debt

    def score(
        self,
        batch_id: str,
        observations: NDArray[np.uint8],
        targets: NDArray[np.uint8] | None,
        remember: bool,
        ends: NDArray[np.bool_] | None = None,
    ) -> Scores:
        """See :class:`Judge`. If ``update_first`` is set, the updates that the batch earns come first."""
        check_batch(batch_id, observations, targets, self._observation_shape, self._conditional)
        known = self._answers.find(batch_id, observations.shape[:2])
        if known is not None:
            return known
        updates: tuple[Update, ...] = ()
        if remember:
            self.remembered += 1
            updates = self.pay_debt()
            self._remember(observations[-1], targets, ends)
            # With long episodes there is nothing to learn from until the first one has ended.
            self._debt = self._config.updates_per_batch if len(self._replay) else 0
            if self._config.update_first:
                updates += self.pay_debt()
        scores = Scores(
            {"discriminator": self._finite_scores(observations, targets), **self._distances(observations, targets)},
            self.version,
            self._real.now(),
            self._painted.now(),
            updates,
        )
        self._answers.keep(batch_id, scores)
        return scores

    def _remember(
        self, paintings: NDArray[np.uint8], targets: NDArray[np.uint8] | None, ends: NDArray[np.bool_] | None
    ) -> None:
        if ends is not None:
            paintings, targets = paintings[ends], None if targets is None else targets[ends]
        if len(paintings):
            self._replay.add(paintings, targets)

    def pay_debt(self) -> tuple[Update, ...]:
        """Make the updates that remembered batches have earned and that are not made yet."""
        updates = []
        while self._debt:
            self._debt -= 1
            try:
                updates.append(self._update())
            except NotFiniteError as error:
                self._undo(error)
        return tuple(updates)

    def check(self) -> None:
        """See :class:`Judge`."""
        if not self._sound.check():
            self._updates += 1

    def _undo(self, error: NotFiniteError) -> None:
        self._updates += 1  # a version of its own
        self._sound.undo(error)

    def _new_sound(self) -> SoundWeights:
        advice = f"lower discriminator.learning_rate, which is {self._config.learning_rate:g}"
        return SoundWeights("discriminator", [self._network], self._optimiser, advice)

    def sample_targets(self, count: int, test: bool) -> NDArray[np.uint8]:
        """Draw targets, uint8 [N, H, W, C]; raises ValueError if count is outside 1…4096."""
        return self._targets.sample(count, test)

    def _distances(
        self, observations: NDArray[np.uint8], targets: NDArray[np.uint8] | None
    ) -> dict[str, NDArray[np.float32]]:
        return {} if targets is None else distance_terms(self._config.terms, observations, targets)

    def _finite_scores(self, observations: NDArray[np.uint8], targets: NDArray[np.uint8] | None) -> NDArray[np.float32]:
        """Scores [F, B]; if those of the newest weights are not finite, the scores of the last sound weights."""
        while not np.isfinite(scores := self._judge(observations, targets)).all():
            self._undo(NotFiniteError("the scores are not finite"))  # which raises at the third
        return scores

    def _judge(self, observations: NDArray[np.uint8], targets: NDArray[np.uint8] | None) -> NDArray[np.float32]:
        """Scores [F, B]. A picture equal to its predecessor is not scored again: brushes often move without painting.

        An episode keeps its complement mask, so that its scores differ only where its pictures do.
        """
        changed = changed_frames(observations)
        if targets is None and (observations[0] == observations[0, 0]).all():
            changed[0, 1:] = False  # the same blank start in all episodes
        frame, episode = np.nonzero(changed)
        masks = self._masks(observations.shape[1])
        scores = np.empty(len(frame), dtype=np.float32)
        with torch.inference_mode():
            for start in range(0, len(frame), SCORING_CHUNK):
                chunk = slice(start, start + SCORING_CHUNK)
                paintings = to_input(observations[frame[chunk], episode[chunk]], self._device)
                target = None if targets is None else to_input(targets[episode[chunk]], self._device)
                mask = None if masks is None else masks[torch.from_numpy(episode[chunk])].to(self._device)
                scores[chunk] = self._network(*pair(paintings, target, mask)).cpu().numpy()
        return fill_forward(scores, changed)

    def _update(self) -> Update:
        """Make one update, on as many real pictures as remembered paintings."""
        start = self._clock()
        pictures = self._pictures(self._replay.sample(self._config.batch, self._generator))
        loss = self._gradient(pictures, self._generator)
        self._optimiser.step()
        self._updates += 1
        self._sound.stepped(partial(self._gradient, pictures, torch.Generator(), learn=False))
        self._real.add(loss.real.cpu().numpy())
        self._painted.add(loss.painted.cpu().numpy())
        terms = {name: float(value) for name, value in loss.terms.items()}
        return Update(float(loss.total.detach()), self._clock() - start, terms)

    def _gradient(self, pictures: Pictures, generator: torch.Generator, learn: bool = True) -> Loss:
        """The loss; its gradient is left in the parameters. With ``learn`` false this only checks the weights and
        changes nothing. NotFiniteError if loss or gradient is not finite."""
        self._network.train(learn)
        loss = self._config.objective.loss(self._network, pictures, generator, self._updates)
        self._network.eval()
        self._optimiser.zero_grad(set_to_none=True)
        loss.total.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.get_total_norm([p.grad for p in self._network.parameters() if p.grad is not None])
        self._sound.passed(loss.total, norm, keep=not learn)
        return loss

    def _pictures(self, painted: Remembered) -> Pictures:
        """The pictures of an update. In a conditional run the data are one point, the target (docs/method.md, 2)."""
        paintings = to_input(painted.paintings, self._device)
        if painted.targets is None:
            real = draw(self._dataset.train, len(painted), self._generator)
            return Pictures(to_input(real, self._device), paintings, precision=self._precision)
        target = to_input(painted.targets, self._device)
        masks = self._masks(len(painted))
        return Pictures(target, paintings, target, None if masks is None else masks.to(self._device), self._precision)

    def _masks(self, count: int) -> Tensor | None:
        """A complement mask for each of ``count`` samples; None if the run has no masks."""
        if self._config.complement == "none":
            return None
        height, width, _ = self._observation_shape
        return draw_masks(self._config.complement, count, height, width, self._generator)

    def state(self) -> State:
        """Weights, optimizer, replay, statistics, answers, generators and counters, as copies."""
        answers = self._answers.state()
        counters = {
            **answers.counters,
            "kind": "learned",
            "updates": self._updates,
            "debt": self._debt,
            "real": asdict(self._real),
            "painted": asdict(self._painted),
        }
        return State(
            counters,
            {
                **answers.tensors,
                "network": {name: value.cpu().clone() for name, value in self._network.state_dict().items()},
                "optimiser": pack_optimiser(self._optimiser),
                "replay": self._replay.tensors(),
                "generators": {
                    "learning": self._generator.get_state(),
                    "targets": self._targets.generator.get_state(),
                },
            },
        )

    def begin(self, weights: dict[str, Tensor]) -> None:
        """Start with weights that were learned elsewhere; ValueError if they belong to another network."""
        self._load("the model's discriminator", weights)

    def _load(self, what: str, weights: dict[str, Tensor]) -> None:
        own = {name: list(value.shape) for name, value in self._network.state_dict().items()}
        saved = {name: list(value.shape) for name, value in weights.items()}
        if own != saved:
            raise ValueError(
                f"{what}: its network has the shapes {saved}, this run's has {own}; continue with its own configuration"
            )
        require_finite(weights, what)
        self._network.load_state_dict(weights)

    def restore(self, state: State) -> None:
        """Continue from ``state``; raises ValueError if it belongs to another network or kind of judge."""
        counters, tensors = state.counters, state.tensors
        if counters.get("kind") != "learned":
            raise ValueError(f'checkpoint: a judge of kind "{counters.get("kind")}" wrote it; expected "learned"')
        self._load("checkpoint", tensors["network"])
        unpack_optimiser(self._optimiser, tensors["optimiser"])
        self._sound = self._new_sound()
        self._replay.restore(tensors["replay"])
        self._answers.restore(state)
        self._real = RunningStatistics(**counters["real"])
        self._painted = RunningStatistics(**counters["painted"])
        self._updates, self._debt = counters["updates"], counters["debt"]
        self._generator.set_state(tensors["generators"]["learning"])
        self._targets.generator.set_state(tensors["generators"]["targets"])
