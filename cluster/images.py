"""What stands for an image: this machine's own root file system, with what the Dockerfile's last stage says."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import string
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from cluster.manifests import REPOSITORY

# What images are built on has this path.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_INIT = Path(__file__).with_name("init.py")


class _Foreign(NamedTuple):
    """An image of a service that is not ours, where ``k8s`` has one."""

    name: str
    dockerfile: Path
    links: Mapping[str, Path]


_RENDERER_NODE = REPOSITORY / "tests" / "foreign" / "renderer-node"
_FOREIGN = _Foreign(
    "spiral-renderer-node",
    _RENDERER_NODE / "Dockerfile",
    MappingProxyType({"/app": _RENDERER_NODE, "/protos": REPOSITORY / "protos"}),
)


class ImageError(ValueError):
    """Nothing on this machine stands for the image: the container waits as ErrImageNeverPull."""


@dataclass(frozen=True, slots=True)
class Image:
    """What a container gets from its image where the manifest says nothing else."""

    entrypoint: tuple[str, ...]
    command: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    working_dir: str = "/"
    user: int = 0
    group: int = 0
    needs: tuple[Path, ...] = ()
    """Folders of this machine that have to be readable inside, whoever owns them."""
    links: dict[str, Path] = field(default_factory=dict)
    """Path inside → what of this machine stands there."""


def find(name: str) -> Image:
    """The stand-in for the image ``name``; ImageError if there is none."""
    last = name.partition("@")[0].rpartition("/")[2].partition(":")[0]
    if last == _FOREIGN.name:
        return _service(_FOREIGN.dockerfile, _FOREIGN.links)
    service = re.fullmatch(r"spiral-([a-z]+)", last)
    dockerfile = REPOSITORY / "services" / service[1] / "Dockerfile" if service else None
    if dockerfile and dockerfile.is_file():
        return _service(dockerfile)
    program = shutil.which(last) if last in {"prometheus", "grafana"} else None
    if program:
        return Image((program,), environment={"PATH": _PATH}, user=65534)
    raise ImageError(f'"{name}" has no stand-in here: no Dockerfile under services/, no program of this machine')


def _service(dockerfile: Path, links: Mapping[str, Path] = MappingProxyType({})) -> Image:
    """The checkout and its environment stand for /opt/venv, and a few lines for ``tini`` where it isn't installed.

    ``links`` says what stands for the folders that an image of another kind has.
    """
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment, working_dir, user = {"PATH": _PATH}, "/", "0"
    for instruction, rest in _last_stage(dockerfile.read_text()):
        match instruction:
            case "ENV":
                for pair in shlex.split(rest):
                    key, _, value = pair.partition("=")
                    environment[key] = string.Template(value).safe_substitute(environment)
            case "WORKDIR":
                working_dir = rest
            case "USER":
                user = rest
            case "ENTRYPOINT":
                entrypoint = tuple(json.loads(rest))
            case "CMD":
                command = tuple(json.loads(rest))
    uid, _, gid = user.partition(":")
    environment_folder = Path(sys.prefix)
    return Image(
        entrypoint,
        command,
        environment,
        working_dir,
        int(uid),
        int(gid or 0),
        needs=(REPOSITORY, environment_folder, Path(sys.base_prefix)),
        links={"/opt/venv": environment_folder, **links} | ({} if shutil.which("tini") else {"/usr/bin/tini": _INIT}),
    )


def _last_stage(text: str) -> Iterator[tuple[str, str]]:
    """Instructions after the last FROM."""
    joined = re.sub(r"\\\n", " ", re.sub(r"(?m)^\s*#.*\n", "", text))
    instructions = [line.split(None, 1) for line in joined.splitlines() if line.strip()]
    start = max((i for i, words in enumerate(instructions) if words[0] == "FROM"), default=-1)
    for words in instructions[start + 1 :]:
        yield words[0], words[1].strip()
