"""A run whose directory becomes read-only while it learns, and is mended, or not."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from spiral.runs.checkpoints import read_latest
from tests.support.launched import Launched

pytestmark = pytest.mark.slow


@pytest.fixture(name="run")
def _run(tmp_path: Path) -> Iterator[Launched]:
    prefix: tuple[str, ...] = ()
    if os.geteuid() == 0:  # whom permissions don't hold back, unless it gives up that right
        if shutil.which("setpriv") is None:
            pytest.skip("setpriv (util-linux) is needed to hold root to permissions, and it is not here")
        prefix = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    run = Launched(tmp_path / "runs", prefix=prefix)
    try:
        yield run
        permit(run, 0o755)
    finally:
        run.end()


def permit(run: Launched, mode: int) -> None:
    """Let the run's folders be written, or not; those of checkpoints that are being written or removed may vanish."""
    for folder, _, _ in os.walk(run.run.path):
        with suppress(FileNotFoundError):
            os.chmod(folder, mode)


def frames_on_disk(run: Launched) -> int:
    checkpoint = read_latest(run.run.checkpoints("learner"))
    return int(checkpoint.state.counters["frames"]) if checkpoint else 0


def told(run: Launched, words: str) -> bool:
    return any(words in event for event in run.objects("event"))


def test_it_goes_on_and_loses_nothing_where_that_is_mended(run: Launched) -> None:
    run.until(lambda: frames_on_disk(run), "a checkpoint")
    permit(run, 0o555)
    run.until(lambda: told(run, "can't be written: Permission denied; the run goes on"), "the sentence")
    kept, learnt = frames_on_disk(run), run.frames()
    run.until_frames(learnt + 1)
    assert frames_on_disk(run) == kept
    permit(run, 0o755)
    run.until(lambda: told(run, "can be written again"), "the other sentence")
    run.until(lambda: frames_on_disk(run) > learnt, "a checkpoint of what was learned meanwhile")
    run.signal(signal.SIGTERM)
    assert run.wait() == 0, run.text() + run.logs()
    assert not told(run, "it starts again")
    updates = [record["updates"] for record in run.run.history()]
    assert updates == sorted(set(updates))


def test_it_says_what_is_lost_where_it_is_ended_before(run: Launched) -> None:
    run.until(lambda: frames_on_disk(run), "a checkpoint")
    permit(run, 0o555)
    run.until(lambda: told(run, "can't be written: Permission denied; the run goes on"), "the sentence")
    kept = frames_on_disk(run)
    run.signal(signal.SIGTERM)
    assert run.wait() == 1
    assert "exited with code 1 when it was to stop" in run.text()
    permit(run, 0o755)
    assert frames_on_disk(run) == kept
    assert sorted(path.name for path in run.run.checkpoints("learner").iterdir() if path.name.startswith(".")) == []
