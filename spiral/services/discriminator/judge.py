"""The interface of a judge: the implementation behind the discriminator service."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from spiral.datasets import Dataset
from spiral.runs.checkpoints import State
from spiral.services.discriminator.statistics import Statistics
from spiral.values.versions import Version

REMEMBERED_ANSWERS = 16
"""Answers kept in case a batch is asked for again; a learner has at most two batches in progress."""


@dataclass(frozen=True, slots=True)
class Update:
    """Figures of one training update."""

    loss: float
    seconds: float
    terms: dict[str, float]
    """Named parts of the loss."""


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of a batch, all from one version."""

    terms: dict[str, NDArray[np.float32]]
    """[F, B] for each named term, higher is better; the first is the judge's own."""
    version: Version
    real: Statistics
    """Scores of real pictures."""
    painted: Statistics
    """Scores of remembered paintings."""
    updates: tuple[Update, ...] = ()
    """Updates made on the way to this answer; empty if it is a repetition."""
    repeated: bool = False
    """Whether the batch had been scored before."""


class Judge(Protocol):
    """Scores pictures and learns from them. It owns no threads and does nothing unless called.

    judge = build_judge(config, observation_shape, dataset)
    scores = judge.score("1.7", observations, targets, remember=True)
    judge.pay_debt()  # the updates that the batch earned, unless they come first
    """

    @property
    def version(self) -> Version:
        """Version of the weights."""
        ...

    @property
    def debt(self) -> int:
        """Updates earned and not made yet."""
        ...

    def score(
        self,
        batch_id: str,
        observations: NDArray[np.uint8],
        targets: NDArray[np.uint8] | None,
        remember: bool,
        ends: NDArray[np.bool_] | None = None,
    ) -> Scores:
        """Score observations uint8 [F, B, H, W, C], with targets uint8 [B, H, W, C] in a conditional run.

        ``remember`` keeps the last frame of each episode for training; with ``ends`` [B], only of the episodes that it
        marks. A batch id that was answered before gets the same answer and changes nothing. Raises ValueError with a
        sentence if shapes or types are wrong.
        """
        ...

    @property
    def remembered(self) -> int:
        """Batches remembered since this judge was made, which a checkpoint would save."""
        ...

    def pay_debt(self) -> tuple[Update, ...]:
        """Make the updates that were earned and not made yet, and return them, except those that were undone because
        something was not finite. DivergedError if that happens three times in a row, here and wherever it learns."""
        ...

    def check(self) -> None:
        """Check, without learning, that the newest weights are sound; if they are not, go back to the last that are."""
        ...

    def sample_targets(self, count: int, test: bool) -> NDArray[np.uint8]:
        """Draw targets, uint8 [N, H, W, C], from the training pictures or from those that are held out."""
        ...

    def state(self) -> State:
        """Everything that a checkpoint needs, as copies, so that later updates don't touch it."""
        ...

    def restore(self, state: State) -> None:
        """Continue from ``state`` as if there had been no interruption; the generation stays this judge's own.

        Raises ValueError if the state belongs to another run.
        """
        ...


def check_batch(
    batch_id: str,
    observations: NDArray[np.uint8],
    targets: NDArray[np.uint8] | None,
    observation_shape: tuple[int, int, int],
    conditional: bool,
) -> None:
    """Raise ValueError, which names the field, unless this run's judge can score the batch."""
    if not 1 <= len(batch_id.encode()) <= 128:
        raise ValueError(f"batch_id: it has {len(batch_id.encode())} bytes; expected 1 to 128")
    size = " × ".join(map(str, observation_shape))
    if observations.dtype != np.uint8 or observations.ndim != 5 or observations.shape[2:] != observation_shape:
        raise ValueError(
            f"observations: {observations.dtype} {list(observations.shape)} can't be judged; "
            f"expected uint8 [F, B, H, W, C] with pictures of {size}"
        )
    frames, batch = observations.shape[:2]
    if not frames or not batch:
        raise ValueError(f"observations: {frames} frames of {batch} episodes; expected at least one of each")
    if not conditional:
        if targets is not None:
            raise ValueError("targets: this run has none (conditional is false); leave them out")
    elif targets is None:
        raise ValueError(f"targets: missing; this run is conditional and needs uint8 [{batch}, H, W, C]")
    elif targets.dtype != np.uint8 or targets.shape != (batch, *observation_shape):
        raise ValueError(
            f"targets: {targets.dtype} {list(targets.shape)} don't fit {batch} episodes; "
            f"expected uint8 [{batch}, {', '.join(map(str, observation_shape))}]"
        )


class Answers:
    """The last answers by batch id, so that a repeated request gets the same answer."""

    def __init__(self) -> None:
        self._scores: dict[str, Scores] = {}

    def find(self, batch_id: str, shape: tuple[int, int]) -> Scores | None:
        """The earlier answer, if any. Raises ValueError if that batch had another shape [F, B]."""
        known = self._scores.get(batch_id)
        if known is not None:
            before = next(iter(known.terms.values())).shape
            if before != shape:
                raise ValueError(
                    f'batch_id: "{batch_id}" belonged to a batch of [F, B] = {list(before)} before, this one is '
                    f"{list(shape)}; each batch needs its own id"
                )
        return replace(known, repeated=True) if known else None

    def keep(self, batch_id: str, scores: Scores) -> None:
        """Keep an answer; if there are too many, forget the oldest."""
        self._scores[batch_id] = replace(scores, updates=())
        while len(self._scores) > REMEMBERED_ANSWERS:
            del self._scores[next(iter(self._scores))]

    def state(self) -> State:
        """The answers as counters and tensors."""
        counters = [
            {
                "batch_id": batch_id,
                "version": list(scores.version),
                "real": [scores.real.mean, scores.real.deviation, scores.real.count],
                "painted": [scores.painted.mean, scores.painted.deviation, scores.painted.count],
            }
            for batch_id, scores in self._scores.items()
        ]
        tensors = {
            f"{position}.{term}": torch.from_numpy(values.copy())
            for position, scores in enumerate(self._scores.values())
            for term, values in scores.terms.items()
        }
        return State({"answers": counters}, {"answers": tensors})

    def restore(self, state: State) -> None:
        """Continue with the answers of ``state``."""
        terms: list[dict[str, NDArray[np.float32]]] = [{} for _ in state.counters["answers"]]
        for name, values in state.tensors["answers"].items():
            position, _, term = name.partition(".")
            terms[int(position)][term] = values.numpy().copy()
        self._scores = {
            answer["batch_id"]: Scores(
                terms[position],
                Version(*answer["version"]),
                Statistics(*answer["real"]),
                Statistics(*answer["painted"]),
            )
            for position, answer in enumerate(state.counters["answers"])
        }


class Targets:
    """Draws targets with a generator of its own, so that requests of actors do not affect learning."""

    def __init__(self, dataset: Dataset, seed: int, paintings_per_target: int = 1) -> None:
        self._dataset = dataset
        self._repeats = paintings_per_target
        # The seed differs from that of the judge's generator, which is the run's seed itself.
        self.generator = torch.Generator().manual_seed(seed + 2**31)

    def sample(self, count: int, test: bool) -> NDArray[np.uint8]:
        """``count`` pictures uint8 [N, H, W, C]; raises ValueError if count is outside 1…4096.

        For learning, each picture comes ``paintings_per_target`` times in a row, the last as often as there is room.
        With ``test`` they come from the validation split, or from the test split if there is none.
        """
        if not 1 <= count <= 4096:
            raise ValueError(f"count: {count} is outside 1…4096 pictures")
        if test:
            held_out = self._dataset.test if self._dataset.validation is None else self._dataset.validation
            return draw(held_out, count, self.generator)
        different = draw(self._dataset.train, -(-count // self._repeats), self.generator)
        return different.repeat(self._repeats, axis=0)[:count]


def draw(pictures: NDArray[np.uint8], count: int, generator: torch.Generator) -> NDArray[np.uint8]:
    """``count`` pictures, drawn uniformly with replacement."""
    drawn: NDArray[np.uint8] = pictures[torch.randint(len(pictures), (count,), generator=generator).numpy()]
    return drawn


def changed_frames(observations: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which pictures [F, B] differ from the previous one of their episode; the first of each episode counts as one."""
    frames, batch = observations.shape[:2]
    changed = np.ones((frames, batch), dtype=np.bool_)
    changed[1:] = (observations[1:] != observations[:-1]).any(axis=(2, 3, 4))
    return changed


def fill_forward(scores: NDArray[np.float32], changed: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Scores [F, B]: an unchanged frame gets its predecessor's score; ``scores`` holds the others, in order."""
    position = np.zeros(changed.shape, dtype=np.intp)
    position[changed] = np.arange(len(scores))
    # Frames are numbered row by row, so the numbers rise along an episode.
    return scores[np.maximum.accumulate(position, axis=0)]
