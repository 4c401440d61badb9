"""Form: yamllint for the manifests, hadolint for the Dockerfiles."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.k8s.static.combinations import K8S, ROOT

SEARCHED = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def test_the_manifests_are_in_good_form() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "yamllint", "--strict", "-c", ROOT / ".yamllint.yaml", K8S],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


DOCKERFILES = sorted((*ROOT.glob("services/*/Dockerfile"), *ROOT.glob("tests/foreign/*/Dockerfile")))


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda path: path.parent.name)
def test_the_dockerfiles_are_in_good_form(file: Path) -> None:
    hadolint = shutil.which("hadolint", path=SEARCHED)
    if hadolint is None:
        pytest.skip("hadolint is not installed: Dockerfiles are not linted")
    done = subprocess.run([hadolint, "-c", ROOT / ".hadolint.yaml", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
