"""An ingest for the tests of both ends of the way that trajectories take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.ingests import Learner, learning


@pytest.fixture
def address(tmp_path: Path) -> str:
    return f"unix:{tmp_path}/data"


@pytest.fixture
def learner(address: str) -> Iterator[Learner]:
    with learning(address) as learner:
        yield learner
