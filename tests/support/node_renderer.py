"""The renderer in Node.js of ``tests/foreign/renderer-node`` as a process, for the tests that need it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from spiral.wire import rpc
from tests.support.processes import until

FOLDER = Path(__file__).parents[1] / "foreign" / "renderer-node"


def skip_without_node() -> None:
    """Skip the test, with the reason, where Node.js or the renderer's packages are missing."""
    if shutil.which("node") is None:
        pytest.skip("node is not installed; with it the renderer in Node.js is tested")
    if not (FOLDER / "node_modules" / "@grpc" / "grpc-js").is_dir():
        pytest.skip(
            "its packages are not installed: npm install --no-package-lock --prefix tests/foreign/renderer-node"
        )


@contextmanager
def node_renderer(
    listen: str, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The renderer, serving at ``listen``; it is killed at the end if it still lives."""
    variables = {**os.environ, "SPIRAL_LISTEN": listen, **(environment or {})}
    with log.open("ab") as out:
        process = subprocess.Popen(
            ["node", str(FOLDER / "server.js")], env=variables, stdout=out, stderr=out, stdin=subprocess.DEVNULL
        )
    try:
        with rpc.connect(listen) as channel:
            stub = health_pb2_grpc.HealthStub(channel)

            def serves() -> bool:
                assert process.poll() is None, f"the renderer ended with {process.returncode}: {log.read_text()}"
                try:
                    answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=1.0, wait_for_ready=True)
                except grpc.RpcError:
                    return False
                return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

            until(serves, "the renderer to serve")
        yield process
    finally:
        process.kill()
        process.wait()
