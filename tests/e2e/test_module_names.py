"""A whole run in processes: every module of it is loaded under one name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.launched import PLAIN, Launched

ROOT = Path(__file__).parents[2]
SITE = f"""
import atexit, json, os, sys

def tell():
    # multiprocessing has a second name for the very module that was started; that is one module all the same.
    files = {{n: getattr(m, "__file__", None) for n, m in list(sys.modules.items()) if n != "__mp_main__"}}
    ours = {{name: os.path.realpath(file) for name, file in files.items() if file}}
    ours = {{name: file for name, file in ours.items() if file.startswith({str(ROOT / "spiral")!r})}}
    with open(os.path.join(os.path.dirname(__file__), f"{{os.getpid()}}.json"), "w") as told:
        json.dump(ours, told)

atexit.register(tell)
"""
"""Each Python of the run imports this at its start, and says at its end what it has loaded."""
SERVICES = {"actor", "discriminator", "learner", "renderer"}


def test_no_module_is_loaded_under_two_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(SITE)
    monkeypatch.setenv("PYTHONPATH", str(site))
    launched = Launched(tmp_path / "runs", PLAIN, "--frames=300", "--judge=0")
    assert launched.wait() == 0, launched.text()
    loaded = [json.loads(file.read_text()) for file in site.glob("*.json")]
    assert {Path(told["__main__"]).parent.name for told in loaded} >= SERVICES
    for told in loaded:
        assert len(set(told.values())) == len(told), told
