"""Trained models as Python objects, as docs/using.md shows them."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import spiral

ROOT = Path(__file__).parents[2]


def letter() -> np.ndarray:
    picture = np.full((60, 40, 3), 255, np.uint8)
    picture[10:50, 18:22] = 0
    return picture


@pytest.fixture(name="agent", scope="module")
def _agent() -> spiral.Agent:
    return spiral.load("omniglot-reconstruct")


def test_the_example_of_the_guide_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(letter()).save("letter.png")
    guide = (ROOT / "docs" / "using.md").read_text()
    (example,) = re.findall(r"```python\n(import spiral\n\nagent = .*?)```", guide, re.DOTALL)
    exec(example, {})
    assert spiral.Program.load("painted.json").engine == "mypaint"
    with Image.open("painted.png") as picture, Image.open("painted.gif") as painting:
        assert picture.size == (64, 64)
        assert painting.n_frames > 1
    assert "<path" in Path("painted.svg").read_text()


def test_importing_spiral_costs_nothing_and_an_agent_needs_no_torch() -> None:
    program = (
        "import sys, spiral; assert not {'numpy', 'pydantic', 'torch'} & set(sys.modules); "
        "spiral.load('mnist').paint(); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=os.environ, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_picture_is_a_file_an_image_or_an_array(agent: spiral.Agent, tmp_path: Path) -> None:
    Image.fromarray(letter()).save(tmp_path / "letter.png")
    transparent = Image.fromarray(np.concatenate([letter() * 0, 255 - letter()[..., :1]], 2))
    pictures = [tmp_path / "letter.png", str(tmp_path / "letter.png"), letter(), letter()[..., 0], transparent]
    programs = [agent.reconstruct(picture, attempts=2) for picture in [*pictures, Image.fromarray(letter())]]
    assert all(program == programs[0] for program in programs)
    assert programs[0] != agent.reconstruct(letter(), attempts=2, fit="crop")
    assert agent.reconstruct(np.tile(letter(), (1, 3, 1)), fit="tile", strokes=3).render().shape == (64, 128, 1)


def test_a_program_shows_itself(agent: spiral.Agent) -> None:
    program = agent.reconstruct(letter(), attempts=1)
    assert program.render(scale=2).shape == (128, 128, 1)
    with Image.open(io.BytesIO(program._repr_png_())) as shown:
        np.testing.assert_array_equal(np.asarray(shown.convert("L")), program.render()[..., 0])
    with pytest.raises(ValueError, match=r'the ending of "x\.xyz" is unknown; expected one of'):
        program.save("x.xyz")


def test_what_is_wrong_is_a_sentence(agent: spiral.Agent) -> None:
    with pytest.raises(ValueError, match="neither a model that ships"):
        spiral.load("nothing")
    for image in (np.zeros((4, 4), np.uint8), np.zeros((9, 9), np.float32), np.zeros((9, 9, 2), np.uint8), 5):
        with pytest.raises(ValueError, match=r"expected uint8 \[H, W\]"):
            agent.reconstruct(image)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="attempts: 0, refine: 0"):
        agent.reconstruct(letter(), attempts=0)
    with pytest.raises(ValueError, match="this policy paints after targets"):
        agent.paint()
    with pytest.raises(ValueError, match="num: 0 pictures"):
        agent.paint(0)
    nothing = spiral.load("mnist")
    assert not nothing.conditional
    with pytest.raises(ValueError, match="mnist paints from nothing and takes no picture"):
        nothing.reconstruct(letter())
