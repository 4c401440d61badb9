"""``spiral paint`` and ``spiral reconstruct`` where torch can't be imported, and they do not ask for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spiral.cli.main import main
from spiral.models import bundled_models
from tests.support.trained_run import make_trained_run

ROOT = Path(__file__).parents[3]
PROGRAM = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name="torch")

sys.meta_path.insert(0, Refuse())
from spiral.cli.main import main
code = main(sys.argv[1:])
assert not {"torch", "urllib.request", "xml.sax", "matplotlib", "asyncio"} & set(sys.modules)  # they take their time
sys.exit(code)
"""


def spiral(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_every_bundled_model_paints(tmp_path: Path) -> None:
    picture = np.full((40, 40, 3), 255, np.uint8)
    picture[10:30, 18:22] = 0
    Image.fromarray(picture).save(tmp_path / "line.png")
    for name in bundled_models():
        if "reconstruct" in name:
            words = ["reconstruct", tmp_path / "line.png", "--attempts=2", "--out", tmp_path / name]
        else:
            words = ["paint", "--num=2", "--out", tmp_path / name]
        done = spiral(*words, "--model", name)
        assert done.returncode == 0, done.stderr
        assert len(list((tmp_path / name).glob("*.png"))) == 2


def test_a_run_paints_the_same_with_torch_and_without(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    make_trained_run(runs)
    words = ["paint", "--run=tiny", f"--runs={runs}", "--num=2"]
    done = spiral(*words, "--out", tmp_path / "without")
    assert done.returncode == 0, done.stderr
    assert main([*words, f"--out={tmp_path / 'with'}"]) == 0
    for name in ("00000.png", "00001.png"):
        assert (tmp_path / "with" / name).read_bytes() == (tmp_path / "without" / name).read_bytes()


@pytest.mark.parametrize(
    ("settings", "more", "said"),
    [(["policy.network=paper"], [], 'policy.network: "paper" needs torch'), ([], ["--device=cuda"], 'device: "cuda"')],
)
def test_what_needs_torch_says_so(tmp_path: Path, settings: list[str], more: list[str], said: str) -> None:
    make_trained_run(tmp_path / "runs", settings=settings)
    done = spiral("paint", "--run=tiny", "--runs", tmp_path / "runs", "--out", tmp_path / "out", *more)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "which is not installed: " in done.stderr
    assert "[torch]" in done.stderr
    assert not (tmp_path / "out").exists()
