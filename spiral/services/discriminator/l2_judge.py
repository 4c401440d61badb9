"""A judge that learns nothing: the distance to the target (docs/method.md, 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from spiral.datasets import Dataset
from spiral.runs.checkpoints import State
from spiral.services.discriminator.distances import distance_terms
from spiral.services.discriminator.judge import Answers, Scores, Targets, Update, check_batch
from spiral.services.discriminator.statistics import RunningStatistics, Statistics
from spiral.values.versions import Version


class L2Judge:
    """Answers :func:`spiral.services.discriminator.distances.l2`, and the other distances that ``terms`` names."""

    def __init__(self, dataset: Dataset, targets: Targets, generation: int, terms: Sequence[str] = ()) -> None:
        self._terms = tuple(dict.fromkeys(("l2", *terms)))
        self._shape = dataset.train.shape[1:]
        self._generation = generation
        self._answers, self._painted = Answers(), RunningStatistics()
        self._targets = targets
        self.remembered = 0
        """See :class:`Judge`."""

    @property
    def version(self) -> Version:
        """Its generation; nothing is ever updated."""
        return Version(self._generation, 0)

    @property
    def debt(self) -> int:
        """Always 0."""
        return 0

    def score(
        self,
        batch_id: str,
        observations: NDArray[np.uint8],
        targets: NDArray[np.uint8] | None,
        remember: bool,
        ends: NDArray[np.bool_] | None = None,
    ) -> Scores:
        """See :class:`Judge`. Of a remembered batch it keeps only the mean and deviation of the scores."""
        check_batch(batch_id, observations, targets, self._shape, conditional=True)
        known = self._answers.find(batch_id, observations.shape[:2])
        if known is not None:
            return known
        assert targets is not None  # check_batch made sure
        terms = distance_terms(self._terms, observations, targets)
        self.remembered += remember
        if remember and (ends is None or ends.any()):
            self._painted.add(terms["l2"][-1] if ends is None else terms["l2"][-1, ends])
        # A real pair is the target twice, so its distance is 0.
        scores = Scores(terms, self.version, Statistics(0.0, 0.0, observations.shape[1]), self._painted.now())
        self._answers.keep(batch_id, scores)
        return scores

    def pay_debt(self) -> tuple[Update, ...]:
        """Nothing is ever owed."""
        return ()

    def check(self) -> None:
        """There are no weights."""

    def sample_targets(self, count: int, test: bool) -> NDArray[np.uint8]:
        """Draw targets, uint8 [N, H, W, C]; raises ValueError if count is outside 1…4096."""
        return self._targets.sample(count, test)

    def state(self) -> State:
        """Answers, statistics and generator, as copies."""
        answers = self._answers.state()
        return State(
            {**answers.counters, "kind": "l2", "painted": asdict(self._painted)},
            {**answers.tensors, "generators": {"targets": self._targets.generator.get_state()}},
        )

    def restore(self, state: State) -> None:
        """Continue from ``state``; raises ValueError if it belongs to another kind of judge."""
        if state.counters.get("kind") != "l2":
            raise ValueError(f'checkpoint: a judge of kind "{state.counters.get("kind")}" wrote it; expected "l2"')
        self._answers.restore(state)
        self._painted = RunningStatistics(**state.counters["painted"])
        self._targets.generator.set_state(state.tensors["generators"]["targets"])
