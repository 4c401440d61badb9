"""What the engine ``mypaint`` refuses, and what it says when the machine lacks something."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from spiral.engines import create
from spiral.engines.interface import StoppedError
from spiral.engines.mypaint import MyPaint, stroke_tables


def make(**settings: Any) -> MyPaint:
    return MyPaint.from_settings(settings)


def test_a_value_out_of_range_is_named_and_nothing_is_painted() -> None:
    engine = make()
    for component, value in (("size", 4), ("size", -1), ("flag", 2), ("end", 1024), ("pressure", 2**31 - 1)):
        with engine.open(3) as canvases:
            actions = np.ones((3, 5), dtype=np.int32)
            actions[2, engine.spec.index(component)] = value
            size = engine.spec.sizes[engine.spec.index(component)]
            with pytest.raises(
                ValueError, match=f'{component}: {value} is outside 0…{size - 1} .component "{component}"'
            ):
                canvases.step(actions)
            assert (canvases.canvas() == 255).all()


def test_actions_of_the_wrong_shape_or_type_are_refused() -> None:
    engine = make()
    with engine.open(3) as canvases:
        for shape in ((3, 4), (2, 5), (3, 5, 1), (5,)):
            with pytest.raises(ValueError, match=r"actions: shape .* is not \[3, 5\].*flag, end, control"):
                canvases.step(np.zeros(shape, dtype=np.int32))
        with pytest.raises(ValueError, match="float64 are not integers"):
            canvases.step(np.zeros((3, 5)))  # type: ignore[arg-type]
        wide = np.zeros((3, 5), dtype=np.int64)
        wide[1, 3] = 2**32 + 1  # would be 1 in 32 bits
        with pytest.raises(ValueError, match="size: 4294967297 is outside"):
            canvases.step(wide)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"seeds: shape \[2\] is not \[3\]"):
            canvases.reset(np.zeros(2, dtype=np.int64))
        strided = np.zeros((3, 10), dtype=np.int32)[:, ::2]
        assert canvases.step(strided).shape == (3, 64, 64, 1)


def test_closed_canvases_say_so() -> None:
    canvases = make().open(2)
    canvases.close()
    canvases.close()
    for use in (canvases.reset, canvases.canvas, canvases.strokes, lambda: canvases.step(np.zeros((2, 5), np.int32))):
        with pytest.raises(ValueError, match="closed"):
            use()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"brsh": "classic/pen"}, "brsh"),
        ({"canvas": 100}, "canvas: 100 × 100 .* multiples of 64"),
        ({"canvas": [64, 65]}, "canvas: 64 × 65"),
        ({"canvas": 64 * 129}, "canvas"),
        ({"canvas": 0}, "canvas"),
        ({"grid": 3}, "grid: expected 4…1024 places each way, but it is 3"),
        ({"grid": 1025}, "grid: .* but it is 1025"),
        ({"grid": [64, 3]}, r"grid: .* but it is \(64, 3\)"),
        ({"grid": [64, 64, 64]}, "grid"),
        ({"brush_sizes": []}, "brush_sizes"),
        ({"brush_sizes": [1, -2]}, "brush_sizes.1: .* greater than 0, but it is -2"),
        ({"brush_sizes": [float("nan")]}, "brush_sizes"),
        ({"brush_sizes": [1] * 65}, "brush_sizes"),
        ({"background": "black"}, "background: .*'white' or 'transparent'"),
        ({"view": 30}, "view: 30 does not divide the canvas, 64 × 64"),
        ({"view": 128}, "view: 128 does not divide"),
        ({"view": [32, 33]}, "view: .* does not divide"),
        ({"canvas": [128, 64], "view": 3}, "view: 3 does not divide"),
        ({"alpha": True}, "alpha: true needs colour: true"),
        ({"colour": "perhaps"}, "colour"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create("mypaint", settings)


def test_batches_threads_and_scales_have_limits() -> None:
    engine = make(brush_sizes=[100.0])
    for batch, threads in ((0, 1), (4097, 1), (1, 0), (1, 257)):
        with pytest.raises(ValueError, match="is outside 1…"):
            engine.open(batch, threads)
    with pytest.raises(ValueError, match="scale: 0"):
        engine.scaled(0)
    with pytest.raises(ValueError, match="brush of radius 1200"):
        engine.scaled(12)
    with pytest.raises(ValueError, match="canvas of 8256 × 8256"):
        make().scaled(129)
    assert engine.scaled(1) is engine


def test_an_action_that_needs_more_than_is_painted_for_one_is_refused_and_a_reset_makes_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stroke = np.array([[1, 1023, 31, 2, 9]], np.int32)
    for limit, most in (("MAX_DAB_PIXELS", 8_000), ("MAX_DAB_TILES", 20)):
        with monkeypatch.context() as patch:
            patch.setattr(stroke_tables, limit, most)
            limited = make()
        with limited.open(1) as canvases, make().open(1) as free:
            with pytest.raises(ValueError, match="actions: one of them needs more dabs"):
                canvases.step(stroke)
            np.testing.assert_array_equal(canvases.reset(), free.reset())
            short = np.array([[1, 66, 33, 1, 9]], np.int32)
            np.testing.assert_array_equal(canvases.step(short), free.step(short))
            assert free.canvas().min() < 255


def test_canvases_that_this_machine_has_no_memory_for_are_refused_before_any_is_taken() -> None:
    with pytest.raises(ValueError, match=r"4096 canvases of 8192 × 8192 pixels need 2,\d+\.\d GB of memory, but"):
        make(canvas=8192, view=64).open(4096)


def test_a_signal_ends_a_step_under_way_and_so_does_stop() -> None:
    class StepInterruptedError(Exception):
        """Not KeyboardInterrupt, which would end the tests where it came too late."""

    def interrupt(number: int, frame: object) -> None:
        raise StepInterruptedError

    engine = make(brush="tanda/water-05", view=8, brush_sizes=[30.0], pressure=False)  # many dabs: seconds of work
    actions = np.broadcast_to(np.array([1, 1023, 31], np.int32), (512, 3))
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with engine.open(512) as canvases:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(StepInterruptedError):
                canvases.step(actions)
            assert canvases.canvas()[-1].min() == 255, "it painted on"
            canvases.reset()
            canvases.stop()
            with pytest.raises(StoppedError):
                canvases.step(actions)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_the_engine_loads_without_torch() -> None:
    done = run("import sys, spiral; spiral.render; import spiral.engines.mypaint; assert 'torch' not in sys.modules")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("complaint", "remedy"),
    [
        ("libmypaint-1.5.so.1: cannot open shared object file", "apt-get install libmypaint-dev mypaint-brushes"),
        ("No module named 'spiral.engines.mypaint._native'", "make setup"),
    ],
)
def test_a_missing_library_is_explained_with_its_remedy(complaint: str, remedy: str) -> None:
    done = run(f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "spiral.engines.mypaint._native":
            raise ImportError({complaint!r})
sys.meta_path.insert(0, Missing())
from spiral.engines import EngineMissingError, create
try:
    create("mypaint", {{}})
except EngineMissingError as error:
    print(error)
""")
    assert remedy in done.stdout, done.stderr
    assert complaint in done.stdout


def test_an_unknown_engine_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match='engine: "oils" is unknown; known engines: mypaint'):
        create("oils", {})
