"""The images' Dockerfiles: what several of them have in common is written in each, and stays the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SERVICES = Path(__file__).parents[2] / "services"
FINAL = ""
"""The last stage has no name."""


def stages(service: str) -> dict[str, str]:
    """The stages of a service's Dockerfile by name, without the comments between them."""
    parts = re.split(r"^(?=FROM )", (SERVICES / service / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]
    found = {}
    for part in parts:
        first, _, rest = part.partition("\n")
        named = re.search(r" AS (\w+)$", first)
        found[named.group(1) if named else FINAL] = re.sub(r"^#.*\n|^\n", "", f"{first}\n{rest}", flags=re.MULTILINE)
    return found


@pytest.mark.parametrize("service", ["actor", "learner", "discriminator"])
def test_the_package_is_built_by_the_same_stage_in_every_image(service: str) -> None:
    assert stages(service)["wheel"] == stages("renderer")["wheel"]


@pytest.mark.parametrize("service", ["learner", "discriminator"])
def test_torch_is_installed_by_the_same_stage_in_every_image_that_has_it(service: str) -> None:
    assert stages(service)["environment"] == stages("actor")["environment"]


@pytest.mark.parametrize("service", ["renderer", "actor", "learner", "discriminator"])
def test_an_image_runs_its_own_service_without_rights(service: str) -> None:
    final = stages(service)[FINAL]
    assert final.splitlines()[-1] == f'ENTRYPOINT ["tini", "--", "python", "-m", "spiral.services.{service}"]'
    assert "\nUSER 10001:10001\n" in final
