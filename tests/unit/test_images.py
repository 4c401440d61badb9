"""The Dockerfiles: stages that images share are the same text, so they are built once; no rights at run time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

SERVICES = Path(__file__).parents[2] / "services"


def stages(service: str) -> list[str]:
    """The stages wheel, environment and image of a service's Dockerfile."""
    return re.split(r"^(?=FROM )", (SERVICES / service / "Dockerfile").read_text(), flags=re.MULTILINE)[1:]


@pytest.mark.parametrize("service", ["renderer", "actor", "learner", "discriminator"])
def test_an_image_shares_its_first_stages_and_runs_its_own_service_without_rights(service: str) -> None:
    wheel, environment, image = stages(service)
    with_torch = stages("learner")
    assert wheel.partition("\n\n")[0] == with_torch[0].partition("\n\n")[0]
    assert environment == with_torch[1] or service == "renderer"
    assert "\nUSER 10001:10001\n" in image
    assert image.splitlines()[-1] == f'ENTRYPOINT ["tini", "--", "python", "-m", "spiral.services.{service}"]'
