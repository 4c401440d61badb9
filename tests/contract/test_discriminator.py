"""A real discriminator behind a Unix socket."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client.parser import text_string_to_metric_families

from spiral.configuration.files import load_config
from spiral.datasets import load
from spiral.runs.checkpoints import CheckpointStore, read_latest
from spiral.services.discriminator.__main__ import main
from spiral.v1 import discriminator_pb2 as pb
from spiral.v1 import info_pb2, info_pb2_grpc
from spiral.v1.discriminator_pb2_grpc import DiscriminatorServiceStub
from spiral.v1.tensor_pb2 import DATA_TYPE_FLOAT32, DATA_TYPE_UINT8, TensorSpec
from spiral.wire import rpc
from spiral.wire.tensors import decode, spec_of
from tests.support.judging_data import observations, targets
from tests.support.processes import PATIENCE_S, start, until

SHAPE = (16, 16, 1)
SETTINGS = (
    "engine.settings.view=16",
    "discriminator.channels=[4,8]",
    "discriminator.batch=4",
    "discriminator.updates_per_batch=2",
    "discriminator.replay=3",
)
CHUNK_BYTES = 1 << 20


@dataclass
class Service:
    """How to start a discriminator on one run directory, and how to ask it."""

    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"unix:{self.folder}/s"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "run" / "checkpoints" / "discriminator"

    def flags(self, *more: str) -> list[str]:
        shape = "--observation-shape=16x16x1"
        run_dir = f"--run-dir={self.folder}/run"
        return [shape, run_dir, "--config=demo", *(f"--set={setting}" for setting in SETTINGS), *more]

    def start(self, *more: str) -> subprocess.Popen[bytes]:
        self.processes.append(start("discriminator", self.address, self.log, *self.flags(*more)))
        return self.processes[-1]

    def refused(self, capfd: pytest.CaptureFixture[str], *more: str) -> str:
        """Start it, in this process, where it can't start; what it says about that."""
        assert main([f"--listen={self.address}", *self.flags(*more)]) == 2
        return capfd.readouterr().err

    def stub(self) -> DiscriminatorServiceStub:
        return DiscriminatorServiceStub(rpc.connect(self.address))

    def info(self) -> info_pb2.GetInfoResponse:
        stub = info_pb2_grpc.InfoServiceStub(rpc.connect(self.address))
        return stub.GetInfo(info_pb2.GetInfoRequest(), timeout=PATIENCE_S)

    def metrics(self) -> dict[str, float]:
        with urllib.request.urlopen(self.info().metrics_url, timeout=PATIENCE_S) as page:
            families = text_string_to_metric_families(page.read().decode())
        return {
            sample.name + "".join(sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
        }


@pytest.fixture(name="service")
def _service(tmp_path: Path) -> Iterator[Service]:
    service = Service(tmp_path)
    yield service
    for process in service.processes:
        process.kill()
        process.wait()


@pytest.fixture(name="shared", scope="module")
def _shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One discriminator for the tests that leave it as it was."""
    service = Service(tmp_path_factory.mktemp("shared"))
    service.start("--max-batch-bytes=8000000")
    yield service
    service.processes[0].kill()
    service.processes[0].wait()


def requests(
    batch_id: str,
    shown: NDArray[np.uint8],
    wanted: NDArray[np.uint8] | None = None,
    remember: bool = True,
    chunk_bytes: int = CHUNK_BYTES,
) -> list[pb.ScoreRequest]:
    header = pb.ScoreHeader(batch_id=batch_id, observations=spec_of("observations", shown), remember=remember)
    data = shown.tobytes()
    if wanted is not None:
        header.targets.CopyFrom(spec_of("targets", wanted))
        data += wanted.tobytes()
    chunks = [data[first : first + chunk_bytes] for first in range(0, len(data), chunk_bytes)]
    return [pb.ScoreRequest(header=header), *(pb.ScoreRequest(chunk=chunk) for chunk in chunks)]


def ask(service: Service, asked: list[pb.ScoreRequest]) -> pb.ScoreResponse:
    return service.stub().Score(iter(asked), timeout=PATIENCE_S, wait_for_ready=True)


def scores_of(answer: pb.ScoreResponse) -> NDArray[np.float32]:
    (term,) = answer.terms
    return decode(term.scores, "scores", np.float32, (None, None))


def test_a_batch_is_scored_after_the_updates_it_earns_and_a_repetition_changes_nothing(service: Service) -> None:
    service.start()
    asked = requests("1.1", observations(0))
    first = ask(service, asked)
    assert first.terms[0].name == "discriminator"
    assert scores_of(first).shape == (3, 6)
    assert np.isfinite(scores_of(first)).all()
    assert (first.version.generation, first.version.number) == (1, 2)
    assert first.real.count == first.painted.count > 0
    assert ask(service, asked) == first
    second = ask(service, requests("1.2", observations(1), remember=False))
    assert second.version.number == 2
    assert (service.info().version.generation, service.info().version.number) == (1, 2)
    metrics = service.metrics()
    assert metrics["spiral_discriminator_updates_total"] == 2
    assert metrics["spiral_discriminator_update_seconds_count"] == 2
    assert metrics["spiral_discriminator_scored_frames_total"] == 36
    assert metrics["spiral_discriminator_score_seconds_count"] == 2
    assert metrics["spiral_discriminator_remembered_total"] == 6
    assert metrics["spiral_discriminator_debt"] == 0
    assert metrics["spiral_discriminator_generation"] == 1
    assert metrics["spiral_discriminator_scorereal"] == pytest.approx(first.real.mean)
    assert metrics["spiral_discriminator_loss"] > 0


def test_debts_of_an_answered_batch_are_paid_without_being_asked(service: Service) -> None:
    service.start("--set=discriminator.update_first=false")
    assert ask(service, requests("a", observations(0))).version.number == 0
    until(lambda: service.info().version.number == 2, "the updates")
    assert ask(service, requests("b", observations(1))).version.number == 2


def test_how_the_bytes_are_cut_does_not_matter(shared: Service) -> None:
    shown = observations(0, frames=2, batch=2)
    whole = scores_of(ask(shared, requests("whole", shown, remember=False)))
    cut = scores_of(ask(shared, requests("cut", shown, remember=False, chunk_bytes=7)))
    np.testing.assert_array_equal(cut, whole)


def test_a_batch_above_grpcs_usual_4_mib_is_scored(shared: Service) -> None:
    shown = observations(0, frames=150, batch=150)
    assert shown.nbytes > 4 << 20
    answer = ask(shared, requests("large", shown, remember=False))
    assert scores_of(answer).shape == (150, 150)


def header(**changed: object) -> list[pb.ScoreRequest]:
    """A good batch with another header."""
    asked = requests("bad", observations(0), remember=False)
    fields = {"batch_id": "bad", "observations": asked[0].header.observations} | changed
    return [pb.ScoreRequest(header=pb.ScoreHeader(**fields)), *asked[1:]]  # type: ignore[arg-type]


def uint8(*shape: int) -> TensorSpec:
    return TensorSpec(name="x", dtype=DATA_TYPE_UINT8, shape=shape)


GOOD = requests("bad", observations(0), remember=False)
BAD_REQUESTS = {
    "request: the first message is not a header": GOOD[1:],
    "request: the first message is not a header; ": [],
    "request: a later message is not a chunk": [GOOD[0], GOOD[0]],
    "batch_id: it has 0 bytes": header(batch_id=""),
    "batch_id: it has 130 bytes": header(batch_id="é" * 65),
    "observations: missing": header(observations=None),
    "observations: data type 4": header(observations=TensorSpec(dtype=DATA_TYPE_FLOAT32, shape=(3, 6, *SHAPE))),
    r"observations: shape is \[3, 6, 256\]": header(observations=uint8(3, 6, 256)),
    r"observations: shape is \[-3, 6, 16, 16, 1\]": header(observations=uint8(-3, 6, *SHAPE)),
    r"observations: shape is \[0, 6, 16, 16, 1\]": header(observations=uint8(0, 6, *SHAPE)),
    "expected uint8 .* with pictures of 16 × 16 × 1": header(observations=uint8(3, 6, 8, 32, 1)),
    "targets: this run has none": header(targets=uint8(6, *SHAPE)),
    r"targets: shape is \[6, 256\]": header(targets=uint8(6, 256)),
    "chunk: the stream ended after 4608 bytes, the header announces 9216": header(observations=uint8(6, 6, *SHAPE)),
    "chunk: at least 4608 bytes arrived, the header announces 1536": header(observations=uint8(1, 6, *SHAPE)),
    "chunk: 1048577 bytes; expected at most 1048576": [
        *header(observations=uint8(1, 5000, *SHAPE))[:1],
        pb.ScoreRequest(chunk=bytes(CHUNK_BYTES + 1)),
    ],
}


@pytest.mark.parametrize("message", BAD_REQUESTS)
def test_a_bad_request_is_an_invalid_argument_that_names_the_field(shared: Service, message: str) -> None:
    with pytest.raises(grpc.RpcError, match=message) as caught:
        ask(shared, BAD_REQUESTS[message])
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert shared.info().version.number == 0


@pytest.mark.parametrize("frames", [10_000, 1 << 50])
def test_a_batch_that_is_too_large_is_refused_before_its_bytes_are_read(shared: Service, frames: int) -> None:
    with pytest.raises(grpc.RpcError, match="at most 8000000 are accepted") as caught:
        ask(shared, header(observations=uint8(frames, 6, *SHAPE))[:1])
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_a_caller_that_goes_away_in_the_middle_harms_nobody(shared: Service) -> None:
    begun = threading.Event()

    def hesitant() -> Iterator[pb.ScoreRequest]:
        yield GOOD[0]
        begun.wait(PATIENCE_S)  # gRPC may come for more before the call has its name here
        call.cancel()

    call = shared.stub().Score.future(hesitant(), timeout=PATIENCE_S)
    begun.set()
    with pytest.raises(grpc.FutureCancelledError):
        call.result()
    assert scores_of(ask(shared, requests("after", observations(0), remember=False))).shape == (3, 6)


def test_targets_are_pictures_of_the_data(shared: Service) -> None:
    data = load("mnist-sample", 16, hold_out_validation=True)
    assert data.validation is not None
    for test, split in ((False, data.train), (True, data.validation)):
        answer = shared.stub().SampleTargets(pb.SampleTargetsRequest(count=20, test=test), timeout=PATIENCE_S)
        drawn = decode(answer.targets, "targets", np.uint8, (20, *SHAPE))
        assert {picture.tobytes() for picture in drawn} <= {picture.tobytes() for picture in split}
    with pytest.raises(grpc.RpcError, match="count: 0 is outside 1…4096") as caught:
        shared.stub().SampleTargets(pb.SampleTargetsRequest(), timeout=PATIENCE_S)
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_l2_is_the_same_service(service: Service) -> None:
    service.start("--set=discriminator.kind=l2", "--set=conditional=true")
    shown, wanted = observations(0), targets(0)
    answer = ask(service, requests("a", shown, wanted))
    assert answer.terms[0].name == "l2"
    difference = (shown.astype(float) - wanted) / 255
    np.testing.assert_allclose(
        scores_of(answer), -np.sqrt(np.square(difference).mean(axis=(2, 3, 4))), rtol=1e-5, atol=1e-6
    )
    with pytest.raises(grpc.RpcError, match="targets: missing") as caught:
        ask(service, requests("b", shown))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_sigterm_writes_a_checkpoint_ends_with_0_and_nothing_is_lost(
    service: Service, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = "hold_out_validation=false"  # as a run has it that its preset's validation split came too late for
    process = service.start(f"--set={whole}")
    for number in range(3):
        answer = ask(service, requests(f"1.{number}", observations(number)))
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    found = read_latest(service.checkpoints)
    assert found is not None
    assert found.state.counters["updates"] == answer.version.number == 6
    assert found.config == load_config("demo", (*SETTINGS, whole)).to_yaml()
    assert json.loads((service.checkpoints.parents[1] / "data.json").read_text())["pictures"] == 11_000
    # With another network or other pictures it can't go on, and says so before anything is touched but the generation.
    sentence = "does not fit this run, whose checkpoints were made with"
    for setting, value in (("discriminator.channels", "[4, 4]"), ("num_actions", "7")):
        assert f"{setting}: {value} {sentence}" in service.refused(capfd, f"--set={setting}={value}")
    service.start()
    assert re.search("generation 4, resumed from .*checkpoint-00000001 at 6 updates", service.log.read_text())
    # The last answer is known still, as the version of before gave it.
    assert ask(service, requests("1.2", observations(2))) == answer
    after = ask(service, requests("2.1", observations(3)))
    assert (after.version.generation, after.version.number) == (4, 8)
    assert service.metrics()["spiral_discriminator_run_updates"] == 8
    assert service.log.read_text().count("mnist-sample: 10,000 training and 1,000 test pictures") == 2


def test_kill_9_costs_at_most_what_came_after_the_last_checkpoint(service: Service) -> None:
    process = service.start("--set=learner.checkpoint_s=0.01")
    ask(service, requests("1.1", observations(1)))
    until(lambda: any(service.checkpoints.glob("checkpoint-*")), "a checkpoint")
    before = ask(service, requests("1.2", observations(2))).version
    process.send_signal(signal.SIGKILL)
    process.wait()
    saved = CheckpointStore(service.checkpoints, keep=3).latest()
    assert saved is not None
    assert saved.state.counters["updates"] in {2, 4}
    service.start()
    version = service.info().version
    assert (version.generation, version.number) == (2, saved.state.counters["updates"])
    assert version.generation > before.generation
    # A learner asks again for what it has no answer to, and each batch is worth its updates once.
    assert ask(service, requests("1.2", observations(2))).version.number == 4


@pytest.mark.slow
def test_a_damaged_newest_checkpoint_falls_back_and_says_so(service: Service) -> None:
    for number in range(2):
        process = service.start()
        ask(service, requests(f"{number}", observations(number)))
        process.terminate()
        assert process.wait(PATIENCE_S) == 0
    (service.checkpoints / "checkpoint-00000002" / "network.safetensors").write_bytes(b"damaged")
    service.start()
    assert service.info().version.number == 2
    assert re.search(
        "at 2 updates; skipped: checkpoint-00000002 is damaged: network.safetensors", service.log.read_text()
    )


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--set=discriminator.channels=[4,4,4,4,4]"], "discriminator.channels: 5 convolutions"),
        (["--set=discriminator.chanels=[4]"], 'did you mean "channels"'),
        (["--observation-shape=16x16"], "observation_shape"),
        (["--observation-shape=16x16x2"], "observation_shape: 2 channels"),
        (["--set=data=mnits"], "did you mean"),
        (["--device=gpu"], "device"),
        (["--queue=0"], "queue"),
    ],
)
def test_what_cannot_start_says_why_and_exits_with_2(
    service: Service, flags: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert message in service.refused(capfd, *flags)


def test_a_socket_in_use_is_refused_and_its_owner_goes_on(shared: Service, capfd: pytest.CaptureFixture[str]) -> None:
    elsewhere = f"--run-dir={shared.folder}/another"
    assert str(shared.folder / "s") in shared.refused(capfd, elsewhere)
    assert scores_of(ask(shared, requests("still", observations(0), remember=False))).shape == (3, 6)
