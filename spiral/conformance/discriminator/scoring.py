"""What scores are, and that a batch has one version."""

from __future__ import annotations

import threading

import grpc
import numpy as np

from spiral.conformance.case import case, require
from spiral.conformance.discriminator.subject import DiscriminatorTarget, close, scores_of, version_of
from spiral.conformance.every.identity import UNKNOWN_FIELD
from spiral.v1.discriminator_pb2 import ScoreHeader, ScoreRequest
from spiral.wire.tensors import decode

FRAMES, BATCH = 6, 16
ROUNDS = 8


@case("discriminator", "semantics")
def every_picture_has_a_finite_score(discriminator: DiscriminatorTarget) -> None:
    """Every picture has a finite score in every term, and each term has a name of its own.

    Scores 6 frames of 16 episodes. There must be at least one term; names must be unique and not empty; scores must be
    float32 [6, 16] and finite; deviations must not be negative.
    """
    answer = discriminator.score(discriminator.batch(discriminator.pictures(11, FRAMES, BATCH)))
    names = [term.name for term in answer.terms]
    require(all(names) and names and len(set(names)) == len(names), f"terms are {names}; expected names, each once")
    for term in answer.terms:
        scores = decode(term.scores, f"scores of {term.name}", np.float32, (FRAMES, BATCH))
        require(np.isfinite(scores).all(), f"scores of {term.name} are not all finite")
    for name, statistics in (("real", answer.real), ("painted", answer.painted)):
        require(
            statistics.deviation >= 0 or not statistics.count, f"deviation of {name} is {statistics.deviation}, below 0"
        )


@case("discriminator", "semantics")
def a_batch_is_scored_by_one_version(discriminator: DiscriminatorTarget) -> None:
    """All scores of a batch come from one version, even while it learns.

    While another connection sends batches to be remembered, scores batches in which two pictures alternate from frame
    to frame in every episode. In each answer all scores of one picture must be equal, except for rounding; and two
    answers that name the same version must have the same scores.
    """
    first, second = discriminator.pictures(12, 2, 1)
    pictures = np.stack([np.repeat(first if frame % 2 == 0 else second, BATCH, axis=0) for frame in range(FRAMES)])
    targets = discriminator.targets(1)
    repeated = None if targets is None else np.repeat(targets, BATCH, axis=0)
    by_version: dict[tuple[int, int], np.ndarray] = {}
    with discriminator.connection() as channel, _learning(discriminator, channel):
        for _ in range(ROUNDS):
            answer = discriminator.score(discriminator.requests(pictures, repeated))
            scores = scores_of(answer, FRAMES, BATCH)
            for frame in range(2):
                alike = scores[frame::2]
                require(
                    close(alike, np.full_like(alike, alike[0, 0])),
                    f"version {version_of(answer)} gave one picture scores from {alike.min()} to {alike.max()} in "
                    "one batch; expected one score",
                )
            version = version_of(answer)
            right = by_version.setdefault((version.generation, version.number), scores)
            require(close(scores, right), f"version {version} scored the same pictures in two ways")


@case("discriminator", "determinism")
def the_same_pictures_have_the_same_scores(discriminator: DiscriminatorTarget) -> None:
    """One version gives the same pictures the same scores, however their bytes are cut into chunks.

    Waits until the version stands still, and scores the same pictures, not remembered, under three ids, in chunks of 1
    MiB, 1,000 bytes and 7 bytes. Scores and version must be equal.
    """
    discriminator.settled()
    pictures, targets = discriminator.pictures(13, 2, 2), discriminator.targets(2)
    whole = discriminator.score(discriminator.requests(pictures, targets))
    for size in (1000, 7):
        cut = discriminator.score(discriminator.requests(pictures, targets, chunk_bytes=size))
        require(version_of(cut) == version_of(whole), "the version moved though nothing was remembered")
        require(close(scores_of(cut, 2, 2), scores_of(whole, 2, 2)), f"chunks of {size} bytes change the scores")


@case("discriminator", "compatibility")
def unknown_fields_of_a_batch_are_ignored(discriminator: DiscriminatorTarget) -> None:
    """What a newer minor version adds to ScoreRequest is ignored.

    Scores pictures with an unknown field (number 1999) in the header, in the specs within it, and in every request. The
    scores must be those without them.
    """
    discriminator.settled()
    pictures = discriminator.pictures(14)
    right = discriminator.score(discriminator.batch(pictures))
    first, *chunks = discriminator.batch(pictures)
    first.header.observations.MergeFromString(UNKNOWN_FIELD)
    header = ScoreHeader.FromString(first.header.SerializeToString() + UNKNOWN_FIELD)
    requests = [
        ScoreRequest.FromString(request.SerializeToString() + UNKNOWN_FIELD)
        for request in (ScoreRequest(header=header), *chunks)
    ]
    found = discriminator.score(requests)
    require(close(scores_of(found, 3, 4), scores_of(right, 3, 4)), "unknown fields change the scores")


class _learning:  # noqa: N801  (reads like a function in a with statement)
    """Sends batches to be remembered on a thread of its own until the block ends."""

    def __init__(self, discriminator: DiscriminatorTarget, channel: grpc.Channel) -> None:
        self._discriminator, self._channel = discriminator, channel
        self._end = threading.Event()
        # Made here: the counter of ids is not for two threads at once.
        self._batches = [
            discriminator.batch(discriminator.pictures(100 + number), remember=True) for number in range(ROUNDS * 4)
        ]
        self._thread = threading.Thread(target=self._run, name="learning", daemon=True)

    def _run(self) -> None:
        for batch in self._batches:
            if self._end.is_set():
                return
            try:
                self._discriminator.score(batch, self._channel)
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED:
                    return

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        self._end.set()
        self._thread.join()
