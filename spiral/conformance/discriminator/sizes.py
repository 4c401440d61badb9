"""Batches and messages that are large, and how many at a time."""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np

from spiral.conformance.case import Skip, case, require
from spiral.conformance.discriminator.subject import DiscriminatorTarget, scores_of
from spiral.conformance.every.identity import USUAL_MESSAGE_BYTES
from spiral.v1.discriminator_pb2 import ScoreRequest
from spiral.wire.rpc import client_options

LARGEST_TRIED_BYTES = 256 << 20
CONCURRENCY, ROUND_S = (1, 2, 4, 8), 2.0
FRAMES, BATCH = 8, 64


@case("discriminator", "size")
def a_batch_above_4_mib_is_scored(discriminator: DiscriminatorTarget) -> None:
    """A batch above gRPC's usual 4 MiB is scored, in chunks of 1 MiB.

    Scores the smallest number of episodes of 16 frames that exceeds 4 MiB. Every picture must have a score.
    """
    batch = USUAL_MESSAGE_BYTES // (16 * math.prod(discriminator.shape)) + 1
    answer = discriminator.score(discriminator.batch(discriminator.pictures(5, 16, batch)))
    scores_of(answer, 16, batch)


@case("discriminator", "size")
def a_message_above_the_limit_is_refused_cleanly(discriminator: DiscriminatorTarget) -> None:
    """A message above ``max_message_bytes`` is refused, and the discriminator keeps running.

    Sends, over a connection of its own, a header and a chunk of ``max_message_bytes``. The call must end with
    RESOURCE_EXHAUSTED or INVALID_ARGUMENT, and a batch must be scored afterwards.
    """
    limit = discriminator.info.max_message_bytes
    if limit > LARGEST_TRIED_BYTES:
        raise Skip(f"max_message_bytes is {limit}; the suite sends at most {LARGEST_TRIED_BYTES}")
    options = [(k, v) for k, v in client_options(discriminator.address) if k != "grpc.max_send_message_length"]
    options.append(("grpc.max_send_message_length", -1))
    own = discriminator.identity
    opened = (
        grpc.secure_channel(discriminator.address, own.channel(), options)
        if own is not None
        else grpc.insecure_channel(discriminator.address, options)
    )
    header = discriminator.batch(discriminator.pictures(6))[0]
    with opened as channel:
        try:
            discriminator.score([header, ScoreRequest(chunk=bytes(limit))], channel)
        except grpc.RpcError as error:
            right = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INVALID_ARGUMENT)
            require(error.code() in right, f"a message above the limit: {error.code().name}: {error.details()}")
        else:
            require(False, "a message above the limit: accepted; expected RESOURCE_EXHAUSTED")
    discriminator.probe(6)


@case("discriminator", "load", "extended")
def growing_load_is_borne(discriminator: DiscriminatorTarget) -> None:
    """Under growing load every call is answered or told to ask again.

    Scores batches of 8 frames of 64 episodes from 1, 2, 4 and 8 callers at a time, 2 s each. No call may fail except
    with RESOURCE_EXHAUSTED. The case measures p50 and p99 of a call, and pictures per second. Only with ``--load``.
    """
    pictures = discriminator.pictures(7, FRAMES, BATCH)
    for callers in CONCURRENCY:
        durations: list[float] = []
        refusals: list[str] = []
        start, end = time.monotonic(), time.monotonic() + ROUND_S

        def ask(batches: list[list[ScoreRequest]], end: float = end) -> None:
            for batch in batches:
                if (start_s := time.monotonic()) > end:
                    return
                try:
                    discriminator.score(batch)
                    durations.append(time.monotonic() - start_s)  # noqa: B023
                except grpc.RpcError as error:
                    if error.code() != grpc.StatusCode.RESOURCE_EXHAUSTED:
                        raise
                    refusals.append(error.code().name)  # noqa: B023

        batches = [[discriminator.batch(pictures) for _ in range(32)] for _ in range(callers)]
        with ThreadPoolExecutor(callers) as pool:
            list(pool.map(ask, batches))
        median, tail = np.percentile(durations, (50, 99)) * 1000
        rate = len(durations) * FRAMES * BATCH / (time.monotonic() - start)
        discriminator.measurements.append(
            {
                "callers": callers,
                "p50_ms": round(float(median), 3),
                "p99_ms": round(float(tail), 3),
                "pictures_per_s": round(rate, 1),
                "refused": len(refusals),
            }
        )
