"""Evaluates what a run paints, by every measure that suits its data."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spiral.computing.machine import usable_threads
from spiral.datasets import Dataset, load, objects
from spiral.datasets.splits import ADJECTIVES, Split
from spiral.engines.objects import ObjectEngine
from spiral.evaluation.bootstrap import Estimate, estimate, estimate_count, estimate_mean, weights_of
from spiral.evaluation.digits import DIGITS, real_digits
from spiral.evaluation.diversity import classes_covered, mean_pairwise, pairwise_distances
from spiral.evaluation.encoders import Encoded, Encoder, encoder_for
from spiral.evaluation.inception import Inception
from spiral.evaluation.lenet import CLASSES
from spiral.evaluation.object_marks import marks
from spiral.evaluation.objects import match_all, object_figures
from spiral.evaluation.reference import Distances, Reference
from spiral.evaluation.report import Figure, Report
from spiral.evaluation.reproduction import MOST_FOLLOWED, canvas_errors, error_curve, reproduction
from spiral.evaluation.stroke_curve import blank_view
from spiral.models.trained import Trained, target_rows

FEWEST = 65
"""The covariance of 64 features needs more than 64 pictures."""
# All pairs of this many pictures are compared: their mean distance is then known to a hundredth of its size.
_COMPARED = 1_024
# Limit in bytes for a data set in the canvas's size. The gray sets fit; only a few thousand pictures are used.
_MOST_BYTES = 512 << 20
# This many paintings are shown beside real pictures.
_SHOWN = 48


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """The targets of a conditional run: pictures uint8 [N, H, W, C], labels [N] if the set has them, and the `rows` [N]
    that they have `among` so many pictures of the split."""

    pictures: NDArray[np.uint8]
    labels: NDArray[np.int64] | None
    rows: NDArray[np.int64]
    among: int

    @staticmethod
    def of(data: Dataset, num: int, seed: int, split: Split = "test") -> Targets:
        """Draw the same pictures of a split as `targets_for` does."""
        pictures, labels = data.split(split)
        rows = target_rows(len(pictures), num, seed)
        return Targets(pictures[rows], None if labels is None else labels[rows], rows, len(pictures))


def evaluate_run(
    name: str, trained: Trained, num: int, seed: int, inception: Inception | None = None, split: Split = "test"
) -> Report:
    """Paint ``num`` pictures and measure them: distances to real ones of a split, or errors to targets; diversity.

    Raises ValueError for fewer than 65, for fewer than `inception` needs, if `inception` is given for a run with
    targets, and if the run's data is not here.
    """
    if num < FEWEST:
        raise ValueError(f"num: {num} paintings are too few; the covariance of 64 features needs at least {FEWEST}")
    data_name, conditional = trained.config.data, trained.config.conditional
    if inception is not None and conditional:
        raise ValueError(f"--inception: {name} paints after targets, and a copy of a picture is no picture of its own")
    digits = data_name in DIGITS
    encoder = encoder_for(trained.engine.observation_shape[2], digits)
    encoded_data = _encoded_data(trained, encoder, split)
    data = trained.data(split) if conditional or inception is not None else encoded_data
    if inception is not None:
        inception.check(num, len(data.split(split)[0]))
    targets = Targets.of(data, num, seed, split) if conditional else None
    left_out: list[str] = []
    whole = None
    try:
        whole = _whole_targets(trained, data, num, seed, split)
    except ValueError as error:
        left_out.append(f"errors of whole canvases: {error}")
    canvases, actions = trained.paint(num, seed, None if targets is None else targets.pictures)
    views = trained.view(canvases)

    encoded = encoder.encode(canvases)
    figures: list[Figure] = []
    copies = _Copies() if targets is None else _copies(trained, actions, views, targets, split, seed)
    figures += copies.figures
    left_out += copies.left_out
    if whole is not None:
        figures += canvas_errors(canvases, whole, seed)
    if digits and targets is not None and targets.labels is not None and encoded.probabilities is not None:
        ceiling = encoder.encode(targets.pictures).probabilities
        figures += _top_1(encoded.probabilities, ceiling, targets.labels, seed)
    if targets is None:  # a copy is as near to real pictures as its original
        try:
            figures += _distances(Reference.of(encoded_data, encoder, split), encoded, seed)
        except ValueError as error:
            left_out.append(f"distances to real pictures: {error}")
    if inception is not None:
        figures.append(inception.figure(views, data.split(split)[0], seed, ADJECTIVES[split]))
    real = encoded_data.split(split)[0]
    beside = drawn(real, _COMPARED, seed) if targets is None else targets.pictures
    figures += _diversity(views, beside, "targets" if conditional else "real pictures", seed)
    histogram: tuple[int, ...] = ()
    if digits and encoded.probabilities is not None:
        classes = encoded.probabilities.argmax(1)
        histogram = tuple(int(count) for count in np.bincount(classes, minlength=CLASSES))
        figures += _classes(encoded.probabilities, seed)
    return Report(
        run=name,
        data=data_name,
        frames=trained.frames,
        num=num,
        seed=seed,
        split=split,
        reference=f"{len(real):,} {ADJECTIVES[split]} pictures of {encoded_data.name}, "
        f"{_not_held_out(trained, split)}seen by the {encoder.name}",
        figures=tuple(figures),
        painted=canvases[:_SHOWN],
        real=beside[:_SHOWN],
        conditional=conditional,
        curve=copies.curve,
        histogram=histogram,
        left_out=tuple(left_out),
        temperature=trained.temperature,
        marked=copies.marked,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Copies:
    """What is said of paintings after targets."""

    figures: list[Figure] = field(default_factory=list)
    curve: tuple[Estimate, ...] = ()
    marked: NDArray[np.uint8] | None = None
    left_out: list[str] = field(default_factory=list)


def _copies(
    trained: Trained,
    actions: NDArray[np.int32],
    views: NDArray[np.uint8],
    targets: Targets,
    split: Split,
    seed: int,
) -> _Copies:
    """Errors and similarity, the curve, and what the programs say of the targets' objects."""
    engine, marked = trained.engine, None
    figures, unmeasured = reproduction(views, targets.pictures, seed, blank_view(engine))
    left_out = [*unmeasured]
    followed = slice(0, MOST_FOLLOWED)
    curve = error_curve(engine, actions[followed], targets.pictures[followed], seed, usable_threads())
    if isinstance(engine, ObjectEngine) and (truth := objects(trained.config.data, split)) is not None:
        try:
            if len(truth.counts) != targets.among:
                raise ValueError(
                    f"those of {len(truth.counts):,} pictures are known, but the run has {targets.among:,}"
                )
            matches = match_all(engine, engine.objects_of(actions), truth.take(targets.rows))
            figures += object_figures(engine, matches, seed)
            marked = marks(engine, targets.pictures[:_SHOWN], matches[:_SHOWN])
        except ValueError as error:
            left_out.append(f"objects: {error}")
    return _Copies(figures, curve, marked, left_out)


def _encoded_data(trained: Trained, encoder: Encoder, split: Split) -> Dataset:
    """The run's data in the encoder's view. With test pictures, the other real ones are from the whole training set, so
    that their figures are the same for every run."""
    held_out = split == "validation" or (split == "train" and trained.config.hold_out_validation)
    if trained.config.data in DIGITS:
        return real_digits(hold_out_validation=held_out)
    return load(trained.config.data, encoder.side, encoder.colour, hold_out_validation=held_out)


def _not_held_out(trained: Trained, split: Split) -> str:
    """Words about a run that held out no validation split."""
    learnt = split == "validation" and not trained.config.hold_out_validation
    return "which this run did not hold out, " if learnt else ""


def _whole_targets(trained: Trained, data: Dataset, num: int, seed: int, split: Split) -> NDArray[np.uint8] | None:
    """The targets in the canvas's size; None if the view is the canvas or there are none. ValueError: not here."""
    shape = trained.engine.canvas_shape
    if not trained.config.conditional or shape == trained.engine.observation_shape:
        return None
    if (count := data.count) * math.prod(shape) > _MOST_BYTES:
        raise ValueError(f"{data.name} has {count:,} pictures, too many to prepare them in that size as well")
    return Targets.of(trained.canvas_data(split), num, seed, split).pictures


def drawn(pictures: NDArray[np.uint8], most: int, seed: int) -> NDArray[np.uint8]:
    """At most ``most`` of the pictures, drawn from the whole set: some sets are sorted by class."""
    return pictures[np.random.default_rng(seed).permutation(len(pictures))[:most]]


def _distances(reference: Reference, encoded: Encoded, seed: int) -> list[Figure]:
    key, name = reference.encoder.key, reference.encoder.name.removesuffix(" encoder")

    def figures(found: Distances, prefix: str, whose: str) -> list[Figure]:
        return [
            Figure(f"{prefix}{key}_fid", f"{name}-FID {whose}", found.fid, "lower"),
            Figure(f"{prefix}{key}_kid", f"{name}-KID {whose}", found.kid, "lower"),
            Figure(f"{prefix}{key}_precision", f"{name}-precision {whose}", found.precision, "higher"),
            Figure(f"{prefix}{key}_recall", f"{name}-recall {whose}", found.recall, "higher"),
        ]

    found = figures(reference.distances(encoded.features, seed), "", "of the paintings")
    real = reference.real_distances(len(encoded.features), seed)
    whose = ADJECTIVES["test" if reference.split == "train" else "train"]
    return found + ([] if real is None else figures(real, "real_", f"of real {whose} pictures"))


def _top_1(
    painted: NDArray[np.float64], targets: NDArray[np.float64] | None, labels: NDArray[np.int64], seed: int
) -> list[Figure]:
    weights = weights_of(len(labels), seed)
    figures = []
    for key, whose, probabilities in (("top1", "the paintings", painted), ("target_top1", "the targets", targets)):
        if probabilities is not None:
            right = (probabilities.argmax(1) == labels).astype(np.float64)
            label = f"share of {whose} that the classifier reads as the target's label"
            figures.append(Figure(key, label, estimate_mean(right, weights), "higher"))
    return figures


def _diversity(painted: NDArray[np.uint8], beside: NDArray[np.uint8], what: str, seed: int) -> list[Figure]:
    figures = []
    for key, whose, images in (("diversity", "paintings", painted), ("real_diversity", what, beside)):
        some = images[:_COMPARED]
        if len(some) < 2:
            continue
        weights = np.concatenate([np.ones((1, len(some))), weights_of(len(some), seed)])
        mean, *resampled = mean_pairwise(pairwise_distances(some), weights)
        found = estimate(mean, np.array(resampled), len(some), least=0.0)
        figures.append(Figure(key, f"mean distance of two {whose} (root mean squared, pixels 0 to 1)", found, ""))
    return figures


def _classes(probabilities: NDArray[np.float64], seed: int) -> list[Figure]:
    classes, n = probabilities.argmax(1), len(probabilities)
    weights = weights_of(n, seed)
    (covered,) = classes_covered(classes, CLASSES, np.ones((1, n)))
    counted = estimate_count(int(covered), classes_covered(classes, CLASSES, weights), n)
    sure = estimate_mean(probabilities.max(1), weights)
    return [
        Figure("classes_covered", f"digits of {CLASSES} that at least 1 % of the paintings show", counted, "higher"),
        Figure("top_probability", "probability of the digit that the classifier sees", sure, "higher"),
    ]
