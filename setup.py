"""Builds what pyproject.toml cannot say: the protobuf stubs; the native module is named to setuptools below."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PROTOS = Path("protos")
STUBS = Path("spiral/v1")
STUBS_INIT = '"""What the services say to each other: generated from protos/ when the package is built."""\n'


def plugin(name: str) -> str:
    """A protoc plugin beside this interpreter or on the path; RuntimeError if there is none."""
    found = shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
    if found is None:
        raise RuntimeError(f"{name} is missing; it belongs to mypy-protobuf, see [build-system] in pyproject.toml")
    return f"--plugin={name}={found}"


def generate_stubs() -> None:
    """Compile protos/ into spiral/v1; RuntimeError if protoc refuses."""
    import grpc_tools  # noqa: PLC0415  (a build requirement: not there when only metadata is asked for)
    from grpc_tools import protoc  # noqa: PLC0415

    kinds = ("python", "grpc_python", "mypy", "mypy_grpc")
    arguments = [
        "protoc",
        f"-I{PROTOS}",
        f"-I{Path(grpc_tools.__file__).parent / '_proto'}",
        plugin("protoc-gen-mypy"),
        plugin("protoc-gen-mypy_grpc"),
        *(f"--{kind}_out=." for kind in kinds),
        *sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto")),
    ]
    if protoc.main(arguments) != 0:
        raise RuntimeError("protoc refused protos/; its messages are above")


class BuildWithStubs(build_py):
    """Makes the stubs first, in place: editable installs import them from there, wheels copy them."""

    def run(self) -> None:
        generate_stubs()
        super().run()


# Packages are looked for before any command runs, so the package of the stubs has to exist by then.
STUBS.mkdir(exist_ok=True)
(STUBS / "__init__.py").write_text(STUBS_INIT)

# One wheel for every Python from 3.11: cffi's modules keep to the stable ABI. Free-threaded Pythons have none.
TAG = {} if sysconfig.get_config_var("Py_GIL_DISABLED") else {"bdist_wheel": {"py_limited_api": "cp311"}}

setup(
    options=TAG,
    cmdclass={"build_py": BuildWithStubs},
    cffi_modules=[f"{path}:make_builder" for path in sorted(Path("spiral/engines").glob("*/native/build.py"))],
)
