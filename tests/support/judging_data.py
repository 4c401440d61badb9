"""Small data sets and batches for the discriminator's tests, and a discriminator for those of its callers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from spiral.configuration.files import load_config
from spiral.configuration.schema import RunConfig
from spiral.datasets import Dataset
from spiral.services.discriminator.judge import Targets
from spiral.services.discriminator.l2_judge import L2Judge
from spiral.services.discriminator.metrics import DiscriminatorMetrics
from spiral.services.discriminator.servicer import Discriminator
from spiral.services.discriminator.worker import Worker
from spiral.serving.metrics import new_metrics
from spiral.v1.discriminator_pb2_grpc import add_DiscriminatorServiceServicer_to_server
from spiral.wire.interceptor import StatusInterceptor
from spiral.wire.server import Server

SHAPE = (16, 16, 1)


def dataset(pictures: int = 40, shape: tuple[int, int, int] = SHAPE) -> Dataset:
    """Light pictures: noise between 128 and 255, half as many of them for testing as for training."""
    drawn = np.random.default_rng(0).integers(128, 256, (pictures + pictures // 2, *shape), dtype=np.uint8)
    return Dataset("light", drawn[:pictures], drawn[pictures:], None, None, "made here", "none needed", "")


def config(*settings: str) -> RunConfig:
    """The demo's configuration with a network of two small convolutions."""
    return load_config("demo", ("discriminator.channels=[4,8]", "discriminator.batch=8", *settings))


def observations(seed: int, frames: int = 3, batch: int = 6, shape: tuple[int, int, int] = SHAPE) -> NDArray[np.uint8]:
    """A blank start and then dark noise between 0 and 127, [F, B, H, W, C]."""
    drawn = np.random.default_rng(seed).integers(0, 128, (frames, batch, *shape), dtype=np.uint8)
    drawn[0] = 255
    return drawn


def targets(seed: int, batch: int = 6, shape: tuple[int, int, int] = SHAPE) -> NDArray[np.uint8]:
    """Light noise, [B, H, W, C]."""
    return np.random.default_rng(seed).integers(128, 256, (batch, *shape), dtype=np.uint8)


@contextmanager
def discriminator(
    address: str,
    shape: tuple[int, int, int] = SHAPE,
    *,
    working: bool = True,
    conditional: bool = False,
    max_batch_bytes: int = 1 << 20,
    idle_s: float = 60.0,
) -> Iterator[threading.Event]:
    """A discriminator in this process; the event is set once it was asked. One that does not work never answers."""
    data = dataset(shape=shape)
    judge, metrics, asked = L2Judge(data, Targets(data, 0), 1), new_metrics("discriminator"), threading.Event()
    worker = Worker(judge, lambda: None, interval_s=60.0, queue_size=8, clock=time.monotonic)

    def draining() -> bool:
        asked.set()
        return False

    servicer = Discriminator(
        worker,
        DiscriminatorMetrics(metrics, judge, 60),
        shape,
        conditional=conditional,
        max_batch_bytes=max_batch_bytes,
        idle_s=idle_s,
        draining=draining,
    )
    server = Server(address, workers=4, interceptors=[StatusInterceptor()])
    add_DiscriminatorServiceServicer_to_server(servicer, server)
    server.start()
    if working:
        worker.start()
    yield asked
    server.close(0)
    if working:
        worker.close()
