"""What adds an optional part: of this checkout, and of an installed wheel."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from spiral import extras

EXTRAS = sorted(metadata.metadata("spiral-painter").get_all("Provides-Extra") or [])


@pytest.mark.parametrize("extra", EXTRAS)
def test_in_a_checkout_the_checkout_is_installed_again(extra: str) -> None:
    root = Path(__file__).parents[2]
    assert shlex.split(extras.to_install(extra)) == [sys.executable, "-m", "pip", "install", "-e", f"{root}[{extra}]"]


def test_elsewhere_the_distribution_is_named(tmp_path: Path) -> None:
    (tmp_path / "spiral").mkdir()
    shutil.copy(extras.__file__, tmp_path / "spiral")
    program = "import runpy; print(runpy.run_path('spiral/extras.py')['to_install']('faces'))"
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert shlex.split(done.stdout)[1:] == ["-m", "pip", "install", "spiral-painter[faces]"]
