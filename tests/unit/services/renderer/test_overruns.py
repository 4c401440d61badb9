"""What the renderer does about an engine that takes too long, or never comes back."""

from __future__ import annotations

import grpc
import numpy as np
import pytest

from spiral.engines import Canvases, create
from spiral.services.renderer.overruns import STUCK_S, Overruns
from spiral.wire.interceptor import StatusError


def test_work_is_stopped_after_its_time_and_the_renderer_where_it_goes_on_all_the_same() -> None:
    now, said = [0.0], []
    overruns = Overruns(60.0, said.append, lambda: now[0])

    def work(canvases: Canvases) -> None:
        with overruns.limited(canvases):
            overruns.check()
            canvases.reset(np.zeros(1, np.int64))
            now[0] = 61
            overruns.check()
            assert not said
            now[0] += STUCK_S
            overruns.check()
            assert said == ["the engine has worked on one step for 91 s and does not end it"]
            canvases.step(np.zeros((1, 5), np.int32))

    with create("mypaint", {}).open(1) as canvases:
        with pytest.raises(StatusError, match=r"worked for more than 60 s \(--work-s\)") as raised:
            work(canvases)
        assert raised.value.code == grpc.StatusCode.DEADLINE_EXCEEDED
        with pytest.raises(StatusError) as raised, overruns.limited(canvases):
            canvases.step(np.zeros((1, 5), np.int32))
        assert raised.value.code == grpc.StatusCode.CANCELLED
    now[0] = 1000
    overruns.check()
    assert len(said) == 1, "what has ended counts no more"
