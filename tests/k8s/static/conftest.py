"""Renders each combination once for all tests."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Callable
from pathlib import Path

import pytest

from spiral.wire.certificates import write_set
from tests.k8s.static.combinations import Object, UnbuiltError, render

Rendered = Callable[[str], list[Object]]


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """Objects of a combination by its name, a copy for each caller; the test is skipped where it can't be built."""
    scratch = tmp_path_factory.mktemp("k8s")
    built: dict[str, list[Object]] = {}

    def of(name: str) -> list[Object]:
        if name not in built:
            try:
                built[name] = render(name, scratch)
            except UnbuiltError as error:
                pytest.skip(str(error))
        return copy.deepcopy(built[name])

    return of


@pytest.fixture(scope="session")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates and keys, a folder for each service: what a person makes the Secrets of `mtls` from."""
    folder = tmp_path_factory.mktemp("secrets") / "certs"
    write_set(folder, ["spiral"], datetime.timedelta(days=1), datetime.datetime.now(datetime.UTC))
    return folder
