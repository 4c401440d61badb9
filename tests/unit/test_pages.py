"""What pages say is there: files, sections and pictures that they link to, commands that they tell people to run."""

from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from spiral.cli.main import app

ROOT = Path(__file__).parents[2]
FOREIGN = {".venv", "node_modules", "build", "runs"}
PAGES = [page for page in sorted(ROOT.rglob("*.md")) if not FOREIGN & set(page.relative_to(ROOT).parts)]
BLOCK = re.compile(r"^```[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`[^`]*`")
VARIABLES = r"(?:[A-Z_]+=\S+ )*"
SPIRAL = re.compile(rf"{VARIABLES}(?:\.venv/bin/)?spiral ([a-z].*)")
PYTHON = re.compile(rf"{VARIABLES}(?:\S*/)?python (?:-m ([\w.]+)|([\w./-]+\.py))")
COMMAND = typer.main.get_command(app)
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def sections(page: Path) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    text = BLOCK.sub("", page.read_text())
    headings = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", line) for line in re.findall(r"^#+ (.+)$", text, re.MULTILINE))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> set[str]:
    text = INLINE.sub("", BLOCK.sub("", page.read_text()))
    return {*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r'(?:src|href)="([^"]+)"', text)}


def lines(page: Path) -> Iterator[str]:
    """What a page tells people to type into a shell, one command each."""
    for block in BLOCK.findall(page.read_text()):
        for line in block.replace("\\\n", " ").splitlines():
            yield from (part.strip() for part in re.split(r"&&|\|\|?|;", re.sub(r"(^|\s)#.*", "", line)))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith(("http://", "https://")):
            continue
        path, _, section = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not section or section in sections(target), link


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_is_one(page: Path) -> None:
    for line in lines(page):
        if match := SPIRAL.match(line):
            parse(shlex.split(match[1]))
        elif match := PYTHON.match(line):
            module, file = match.groups()
            assert importlib.util.find_spec(module) if module else (ROOT / file).is_file(), line
        elif match := re.match(r"make ([a-z -]+)(?: |$)", line):
            assert set(match[1].split()) <= TARGETS, line
    for code in INLINE.findall(BLOCK.sub("", page.read_text())):
        if match := SPIRAL.match(" ".join(code.strip("`").split())):
            assert not unknown(shlex.split(match[1])), code


def parse(arguments: list[str]) -> None:
    """Read a command line as the program would; an error where it would refuse it."""
    command, context = COMMAND, None
    while True:
        context = command.make_context("spiral", arguments, parent=context)
        if not hasattr(command, "commands"):
            return
        _, command, arguments = command.resolve_command(context, [*context._protected_args, *context.args])


def unknown(words: list[str]) -> list[str]:
    """Commands and options that are none; in running text arguments may be missing."""
    command = COMMAND
    while hasattr(command, "commands") and words and re.fullmatch("[a-z0-9-]+", words[0]):
        if words[0] not in command.commands:
            return words[:1]
        command = command.commands[words.pop(0)]
    options = {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"--help"}
    return [word for word in words if word.startswith("--") and word.partition("=")[0] not in options]


@pytest.mark.parametrize(
    "line", ["spiral paint --modell mnist --out x", "spiral train --minutes soon", "spiral models lst", "spiral render"]
)
def test_a_wrong_command_is_found(line: str) -> None:
    match = SPIRAL.match(line)
    assert match
    with pytest.raises(typer.TyperException):
        parse(shlex.split(match[1]))


def test_every_picture_is_shown() -> None:
    shown = {(page.parent / link).resolve() for page in PAGES for link in links(page)}
    assert [path.name for path in (ROOT / "docs" / "pictures").glob("*") if path.resolve() not in shown] == []


def test_every_page_of_a_folder_is_in_its_contents() -> None:
    for folder in (ROOT / "docs" / "notebook", ROOT / "docs" / "recipes"):
        assert {path.name for path in folder.glob("*.md")} - {"README.md"} <= links(folder / "README.md")


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 120
