"""Each recipe, followed by somebody who has the page and no other file, trains ten batches."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from spiral.cli.main import main
from spiral.configuration.cross_checks import check_terms
from spiral.configuration.files import load_config
from spiral.launcher.lockstep import Lockstep, deterministic
from spiral.models.trained import load_trained
from spiral.runs import dataset_record
from spiral.runs.directory import Run
from spiral.runs.limits import Limits
from tests.support.launched import SMALL

RECIPES = Path(__file__).parents[2] / "docs" / "recipes"
FILE = re.compile(r"`([\w/]+\.py)`:\n\n```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
BATCHES = 10
Follow = Callable[[str], Run]


def learn(words: Sequence[str]) -> Run:
    """What ``spiral train`` does in lockstep, without the pictures at its end, which take longer than the batches."""
    preset, name = words[words.index("--preset") + 1], words[words.index("--run") + 1]
    typed = [value for option, value in pairwise(words) if option == "--set"]
    config = load_config(preset, [*typed, *(f"{key}={value}" for key, value in SMALL.items())])
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


@pytest.fixture
def follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Follow]:
    """Write the files of a page into an empty folder and do there what its commands do; the run."""
    written: list[str] = []

    def follow(page: str) -> Run:
        text = (RECIPES / page).read_text()
        for name, content in FILE.findall(text):
            (tmp_path / name).write_text(content)
            written.append(name.removesuffix(".py"))
        commands = "".join(block for language, block in BLOCK.findall(text) if not language)
        runs = []
        for line in commands.replace("\\\n", " ").splitlines():
            environment, program, *words = shlex.split(line)
            assert (environment, program) == ("PYTHONPATH=.", "spiral")
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
