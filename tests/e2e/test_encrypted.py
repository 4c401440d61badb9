"""The whole loop over TCP with every edge encrypted."""

from __future__ import annotations

import datetime
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

from spiral.runs.directory import Run
from spiral.v1 import info_pb2, info_pb2_grpc
from spiral.wire import rpc
from spiral.wire.certificates import write_set
from spiral.wire.edges import SERVICES
from spiral.wire.tls import Identity
from tests.support.launched import SMALL
from tests.support.processes import PATIENCE_S, free_port, launch, until


@pytest.mark.timeout(300)
def test_four_services_learn_over_encrypted_tcp(tmp_path: Path) -> None:
    write_set(tmp_path / "certs", [], datetime.timedelta(days=1), datetime.datetime.now(datetime.UTC))
    ports = {name: f"127.0.0.1:{free_port()}" for name in (*SERVICES, "learner-data")}
    peers = [f"--{name}={ports[name]}" for name in ("renderer", "learner", "learner-data", "discriminator")]
    run = Run(tmp_path / "run")
    settings = ["--config=demo", *(f"--set={key}={value}" for key, value in SMALL.items())]
    with ExitStack() as stack:
        processes = {}
        for name in SERVICES:
            own = tmp_path / "certs" / name
            flags = [f"--listen={ports[name]}", f"--tls-ca={own}/ca.crt", f"--tls-cert={own}/tls.crt"]
            flags.append(f"--tls-key={own}/tls.key")
            flags += [] if name == "renderer" else [*settings, *peers]
            flags += [f"--run-dir={run.path}"] if name in {"learner", "discriminator"} else []
            if name in {"actor", "learner"}:
                peer = "learner" if name == "actor" else "actor"
                flags += [f"--curve-key={own}/curve.key_secret", f"--curve-peers={own}/{peer}.key"]
            process = launch(name, *flags, log=tmp_path / f"{name}.log")
            stack.callback(process.wait)
            stack.callback(process.kill)
            processes[name] = process

        def learnt() -> bool:
            for name, process in processes.items():
                assert process.poll() is None, (tmp_path / f"{name}.log").read_text()
            history = run.history()
            return bool(history) and history[-1]["frames"] > 0

        until(learnt, "learned frames", 240.0)
        own = tmp_path / "certs" / "actor"
        identity = Identity.load(own / "ca.crt", own / "tls.crt", own / "tls.key")
        for name in SERVICES:
            with rpc.connect(ports[name], identity) as channel:
                stub = info_pb2_grpc.InfoServiceStub(channel)
                assert stub.GetInfo(info_pb2.GetInfoRequest(), timeout=PATIENCE_S).service == name
            with rpc.connect(ports[name]) as channel, pytest.raises(grpc.RpcError):
                info_pb2_grpc.InfoServiceStub(channel).GetInfo(info_pb2.GetInfoRequest(), timeout=PATIENCE_S)
        for process in processes.values():
            process.terminate()
        assert {name: process.wait(PATIENCE_S) for name, process in processes.items()} == dict.fromkeys(SERVICES, 0)
