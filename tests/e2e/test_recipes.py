"""Each recipe, followed by somebody who has the page and no other file, trains ten batches."""

from __future__ import annotations

import re
import shlex
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from spiral.cli.main import main
from spiral.configuration.cross_checks import check_terms
from spiral.configuration.files import load_config
from spiral.engines import registry
from spiral.launcher.lockstep import Lockstep, deterministic
from spiral.models.with_torch import load_trained
from spiral.runs import dataset_record
from spiral.runs.directory import Run
from spiral.runs.limits import Limits
from tests.support.launched import SMALL

RECIPES = Path(__file__).parents[2] / "docs" / "recipes"
FILE = re.compile(r"`([\w/]+\.(?:py|toml))`:\n\n```\w+\n(.*?)^```", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
BATCHES = 10
QUICK = [*(f"{key}={value}" for key, value in SMALL.items()), "num_actions=4"]
Follow = Callable[[str], Run]


def learn(words: Sequence[str]) -> Run:
    """What ``spiral train`` does in lockstep, without the pictures at its end, which take longer than the batches."""
    preset, name = words[words.index("--preset") + 1], words[words.index("--run") + 1]
    typed = [value for option, value in pairwise(words) if option == "--set"]
    config = load_config(preset, [*typed, *QUICK])
    check_terms(config.learner.terms, config.discriminator)
    run = Run(Path("runs") / name)
    run.path.mkdir(parents=True)
    run.config_file.write_text(config.to_yaml())
    with deterministic(threads=1):
        lockstep = Lockstep(config, run, Limits())
        for _ in range(BATCHES):
            lockstep.step()
        lockstep.finish()
    assert run.history()[-1]["frames"] == BATCHES * config.learner.batch * config.num_actions
    return run


def install(folder: Path) -> None:
    """What ``pip install -e`` leaves of a package: its metadata, with its entry points."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = folder / f"{project['name']}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    sections = (
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in entries.items())
        for group, entries in project["entry-points"].items()
    )
    (info / "entry_points.txt").write_text("".join(sections))
    forget_engines()


def forget_engines() -> None:
    """Look for engines anew: an installed package is found by the next process."""
    registry._entry_points.cache_clear()
    registry.plugin.cache_clear()


@pytest.fixture
def follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_thread: None) -> Iterator[Follow]:
    """Write the files of a page into an empty folder and do there what its commands do; the run."""
    written: list[str] = []

    def follow(page: str) -> Run:
        text = (RECIPES / page).read_text()
        for name, content in FILE.findall(text):
            (tmp_path / name).write_text(content)
            written.append(name.removesuffix(".py"))
            monkeypatch.delitem(sys.modules, written[-1], raising=False)  # another test's, of the same name
        commands = "".join(block for language, block in BLOCK.findall(text) if not language)
        runs = []
        for line in commands.replace("\\\n", " ").splitlines():
            program, *words = shlex.split(line.removeprefix("PYTHONPATH=. "))
            if program == "pip":
                install(tmp_path)
                continue
            assert program == "spiral"
            if words[0] == "train":
                runs.append(learn(words))
            else:
                assert main(words) == 0, line
        (run,) = runs
        return run

    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield follow
    for name in written:
        sys.modules.pop(name, None)
    forget_engines()


def test_an_engine(follow: Follow) -> None:
    run = follow("engine.md")
    assert load_trained(run).engine.version == "stamps 1.0"
    assert len(list(Path("painted").glob("*.png"))) == 8


def test_an_objective(follow: Follow) -> None:
    config = follow("objective.md").config()
    assert config.learner.objective.model_dump() == {"power": 0.25}
    assert config.discriminator.objective.model_dump() == {"margin": 0.5}


def test_a_data_set(follow: Follow) -> None:
    record = dataset_record.read(follow("data-set.md"))
    assert record is not None
    assert record.data == "my_sets:Rings"
    assert record.pictures == 1100


def test_a_score_term(follow: Follow) -> None:
    terms = follow("score-term.md").history()[-1]["terms"]
    assert set(terms) == {"discriminator", "l2", "my_terms:ink"}
    assert -1 < terms["my_terms:ink"] < 0


def test_a_network(follow: Follow) -> None:
    run = follow("network.md")
    assert type(load_trained(run).policy).__name__ == "OneLayer"
    assert len(list(Path("painted").glob("*.png"))) == 8
