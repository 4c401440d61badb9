"""What is shown of a run: rates, waits, time left, and both displays."""

from __future__ import annotations

import io
import json
import math
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from spiral.configuration.schema import LearnerConfig
from spiral.launcher.display import LineDisplay, LiveDisplay, clock, sparkline
from spiral.launcher.progress import Progress, ServiceProgress, Tracker, from_record
from spiral.launcher.scrape import Scrape, ScrapedService, parse_page, read
from spiral.runs.checkpoint_counters import CheckpointCounters
from spiral.runs.limits import Limits
from spiral.serving.lag_warning import LagWarning
from spiral.serving.metrics import MetricsPage, new_metrics
from spiral.v1.info_pb2_grpc import add_InfoServiceServicer_to_server
from spiral.wire import rpc
from spiral.wire.info import Info
from spiral.wire.server import Server

LEARNER = """
# TYPE spiral_learner_frames_total counter
spiral_learner_frames_total {frames}
spiral_learner_run_frames {frames}
spiral_learner_run_updates 12
spiral_learner_policy_lag{{stat="min"}} 1
spiral_learner_policy_lag{{stat="mean"}} 2
spiral_learner_policy_lag{{stat="max"}} 3
spiral_learner_entropy{{component="end"}} 4.5
spiral_learner_wait_seconds_total{{peer="actor"}} {waited}
spiral_learner_run_share 0.25
spiral_learner_learning_rate 0.0006
spiral_learner_bottleneck{{service="actor"}} 1
spiral_learner_bottleneck{{service="learner"}} 0
"""


def scrape(at_s: float, frames: float, waited: float = 0.0) -> Scrape:
    page = parse_page(LEARNER.format(frames=frames, waited=waited))
    return Scrape(at_s, {"learner": ScrapedService(page, "1.12")})


def test_rates_and_waits_are_differences_over_time() -> None:
    tracker = Tracker(Limits(frames=4000), groups=2)
    tracker.progress(0.0, scrape(100.0, 1000, 1.0), ())
    progress = tracker.progress(4.0, scrape(104.0, 2000, 2.0), ())
    assert progress.frames_per_s == 250
    assert progress.seconds_left == 8
    assert progress.share_done == 0.5
    assert progress.lag == (1, 2, 3)
    assert progress.entropy == {"end": 4.5}
    assert progress.bottleneck == "actor"
    assert (progress.run_share, progress.learning_rate) == (0.25, 0.0006)
    assert tracker.waits("learner") == {"actor": 0.25}


def test_a_resumed_or_restarted_counter_is_no_rate() -> None:
    tracker = Tracker(Limits(), groups=2)
    tracker.progress(0.0, scrape(100.0, 0), ())
    assert tracker.progress(1.0, scrape(101.0, 60_000), ()).frames_per_s is None
    assert tracker.progress(2.0, scrape(102.0, 60_500), ()).frames_per_s == 500
    assert tracker.progress(3.0, scrape(103.0, 50), ()).frames_per_s is None


def test_a_resumed_run_is_as_far_as_its_checkpoint_until_the_learner_says(tmp_path: Path) -> None:
    tracker = Tracker(Limits(frames=80_000), 2, CheckpointCounters(60_000, 900))
    for found in (Scrape(99.0, {}), scrape(100.0, 0)):
        progress = tracker.progress(0.0, found, ())
        assert (progress.frames, progress.share_done) == (60_000, 0.75)
    assert tracker.progress(0.0, Scrape(99.0, {}), ()).updates == 12, "as the learner said"


def test_trajectories_that_are_too_old_are_counted_and_told_of_now_and_then() -> None:
    now = 0.0
    config = LearnerConfig(max_lag=1, reuse=2, minibatches=4)
    lag_warning = LagWarning(config, lambda: now)
    assert lag_warning.seen(0, 0) == ""
    now = 5.0
    assert lag_warning.seen(9, 10) == "", "the first of a start are no measure"
    now = 15.0
    sentence = lag_warning.seen(133, 221)
    assert sentence.startswith("133 of 221 trajectories were dropped: painted with weights more than learner.max_lag=1")
    assert "where each batch makes 8; raise learner.max_lag, for example to 32" in sentence
    now = 74.0
    assert lag_warning.seen(200, 300) == "", "not every time"
    now = 75.0
    assert lag_warning.seen(200, 300).startswith("200 of 300")
    now = 135.0
    assert lag_warning.seen(204, 400) == "", "few of these hundred"
    now = 195.0
    assert lag_warning.seen(3, 4).startswith("3 of 4"), "of a learner that was started again"

    counted = (
        'spiral_learner_trajectories_total{verdict="accepted"} 221\nspiral_learner_dropped_total{reason="lag"} 133\n'
    )
    page = Scrape(1.0, {"learner": ScrapedService(parse_page(counted))})
    progress = Tracker(Limits(), 2).progress(0.0, page, ())
    assert (progress.dropped, progress.trajectories) == (133, 221)


def test_rates_forget_what_is_long_ago() -> None:
    tracker = Tracker(Limits(), groups=2)
    for second in range(100):
        progress = tracker.progress(second, scrape(second, 1 + second**2), ())
    assert progress.frames_per_s == pytest.approx((99**2 - 84**2) / 15)


def test_lines_are_json_and_not_too_many() -> None:
    stream = io.StringIO()
    with LineDisplay(stream) as display:
        for second in range(25):
            display.show(Progress(seconds=float(second), frames=second, entropy={"end": math.pi, "flag": math.nan}))
        display.say("renderer was ended by SIGKILL")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["progress"]["frames"] for line in lines[:-1]] == [0, 10, 20]
    assert lines[0]["progress"]["entropy"] == {"end": 3.142, "flag": None}
    assert "learning_rate" not in lines[0]["progress"]
    assert Progress(0.0, learning_rate=1.2345e-5).to_json()["learning_rate"] == 1.23e-5
    assert lines[-1] == {"event": "renderer was ended by SIGKILL"}


def test_the_live_panel_shows_all_there_is_to_know() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    with LiveDisplay(console, "SPIRAL · demo", lambda: {"end": math.log(256)}) as display:
        display.show(
            Progress(
                seconds=65.0,
                seconds_left=235.0,
                share_done=0.22,
                frames=123_456,
                frames_per_s=2900.4,
                painted_per_s=3000.0,
                updates=99,
                version="2.99",
                score_real=1.25,
                score_painted=-0.5,
                entropy={"end": 4.5},
                lag=(0.0, 4.2, 9.0),
                trajectories=2210,
                dropped=1330,
                run_share=0.615,
                learning_rate=0.000123,
                bottleneck="learner",
                services=(ServiceProgress("learner", "serving", 2, 0.75, 400 << 20, {"actor": 0.25}),),
            )
        )
        display.say("a thing happened")
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for text in (
        "22%  1:05, 3:55 left",
        "123,456",
        "2,900 learned/s",
        "3,000 painted/s",
        "version 2.99",
        "+1.250",
        "-0.500",
        "updates, 0 to 9",
        "0.00012",
        "62% of the run",
        "of 2,210 trajectories",
        "4.50 of 5.55 nats",
        "all wait for it",
        "serving, restarted 2×",
        "0.75",
        "400 MiB",
        "actor 25%",
        "· a thing happened",
    ):
        assert text in shown, text


def test_a_record_of_the_learning_curve_is_progress_too() -> None:
    record = {"seconds": 630.0, "frames": 600, "fps": 20.0, "updates": 8, "entropy": {"end": 1.0}, "score_real": 0.5}
    record |= {"run_share": 0.4, "learning_rate": 0.001}
    progress = from_record(record, 30.0, Limits(frames=1200))
    assert (progress.frames, progress.share_done, progress.seconds_left) == (600, 0.5, 30.0)
    assert (progress.run_share, progress.learning_rate) == (0.4, 0.001)
    progress = from_record(record, 30.0, Limits(minutes=10))
    assert (progress.share_done, progress.seconds_left) == (0.05, 570.0), "minutes are those of this start"


def test_clock_and_sparkline() -> None:
    assert [clock(s) for s in (0, 59.6, 3599, 3723)] == ["0:00", "1:00", "59:59", "1:02:03"]
    assert sparkline([], 0, 1) == ""
    assert sparkline([0, 0.5, 1], 0, 1) == "▁▅█"
    assert sparkline([2.0, 2.0], 2, 2) == "▁▁"
    assert len(sparkline(list(range(1000)), 0, 999)) == 32


@contextmanager
def service(address: str, metrics_url: str) -> Iterator[None]:
    """Something that answers GetInfo."""
    server, info = Server(address, workers=2), Info("renderer")
    info.metrics_url = metrics_url
    add_InfoServiceServicer_to_server(info, server)
    server.start()
    yield
    server.close(0)


def test_a_metrics_page_is_read_past_any_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = new_metrics("renderer")
    metrics["spiral_renderer_frames_total"].inc(7)
    page = MetricsPage(metrics, "127.0.0.1:0")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    with service(f"unix:{tmp_path}/s", f"http://{page.address}/metrics"), rpc.connect(f"unix:{tmp_path}/s") as channel:
        answer = read(channel)
    page.close()
    assert answer is not None
    assert answer.page.value("spiral_renderer_frames_total") == 7


def test_what_answers_no_http_is_no_reading(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def babble() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"what?\r\n\r\n")

        threading.Thread(target=babble, daemon=True).start()
        address = f"unix:{tmp_path}/s"
        with service(address, f"http://127.0.0.1:{listener.getsockname()[1]}/"), rpc.connect(address) as channel:
            assert read(channel) is None
