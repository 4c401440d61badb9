"""Encodes a batch for the discriminator, and decodes its scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from spiral.v1.discriminator_pb2 import Endings, ScoreHeader, ScoreRequest, ScoreResponse
from spiral.wire.rpc import MAX_CHUNK_BYTES
from spiral.wire.tensors import decode, spec_of


def score_requests(
    batch_id: str,
    observations: NDArray[np.uint8],
    targets: NDArray[np.uint8] | None,
    *,
    remember: bool,
    ends: NDArray[np.bool_] | None = None,
) -> Iterator[ScoreRequest]:
    """The header and then the pictures in chunks: observations ``[F, B, H, W, C]``, targets ``[B, H, W, C]``.

    ``ends`` ``[B]``: which episodes end with the last frame; None: all.
    """
    header = ScoreHeader(batch_id=batch_id, observations=spec_of("observations", observations), remember=remember)
    if targets is not None:
        header.targets.CopyFrom(spec_of("targets", targets))
    if ends is not None:
        header.endings.CopyFrom(Endings(episodes=np.flatnonzero(ends).tolist()))
    yield ScoreRequest(header=header)
    for pictures in (observations, targets):
        if pictures is not None:
            data = np.ascontiguousarray(pictures).reshape(-1)
            for start in range(0, len(data), MAX_CHUNK_BYTES):
                yield ScoreRequest(chunk=data[start : start + MAX_CHUNK_BYTES].tobytes())


def read_terms(answer: ScoreResponse, shape: Sequence[int]) -> dict[str, NDArray[np.float32]]:
    """The named terms of an answer, each ``[F, B]`` = ``shape``; ValueError if they make no sense."""
    try:
        terms: dict[str, NDArray[np.float32]] = {
            term.name: decode(term.scores, f"scores of {term.name}", np.float32, shape) for term in answer.terms
        }
    except ValueError as error:
        raise ValueError(f"discriminator: {error}") from error
    if not terms:
        raise ValueError("discriminator: the answer has no score term; expected at least one")
    wrong = [name for name, scores in terms.items() if not np.isfinite(scores).all()]
    if wrong:
        raise ValueError(f"discriminator: the scores {wrong} are not all finite; it may have diverged")
    return terms
