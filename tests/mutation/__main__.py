"""Puts single faults into what learns and paints, and tells which of them no unit test finds.

``python -m tests.mutation --seed 1 --from 0 --to 600`` tries the first 600 mutants of an order that the seed decides,
each against the unit files that import its module. What the file of results holds is not tried again: pieces add up.

All tests are collected once. For each mutant this process forks, and the child runs on with the code of one function
exchanged, up to the first test that fails. Nothing is measured against a clock but what never ends.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import gc
import json
import os
import random
import resource
import signal
import sys
import time
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest
import torch
import torch._dynamo  # otherwise the first optimizer of every child would import it

from tests.mutation.modules import MODULES, ROOT
from tests.mutation.mutants import Mutant, mutants_of

PACKAGES = ("spiral.services.learner.", "spiral.objectives.", "spiral.policy.", "tests.")
"""An import is followed through these."""
UNTRIED = "not tried"
CPU_S, WALL_S = 240, 1200
"""What a child may take: a loop that never ends, a wait that never ends."""


def file_of(module: str) -> Path | None:
    for path in (ROOT / f"{module.replace('.', '/')}.py", ROOT / module.replace(".", "/") / "__init__.py"):
        if path.exists():
            return path
    return None


def imports(path: Path) -> set[str]:
    """Project modules that a file imports, those imported from a package one by one."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if file_of(name) is not None}


def reached(test: Path) -> set[Path]:
    """Files that a unit file imports, followed through PACKAGES."""
    found, ahead = set(), [test]
    while ahead:
        for name in imports(ahead.pop()):
            path = file_of(name)
            if path is not None and path not in found:
                found.add(path)
                if f"{name}.".startswith(PACKAGES):
                    ahead.append(path)
    return found


class Mutation:
    """A plugin that runs the collected tests once for each mutant."""

    def __init__(self, wanted: list[tuple[int, Mutant]], tests: dict[str, list[Path]], results: Path) -> None:
        self.wanted, self.tests, self.results = wanted, tests, results
        self.failed = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed = report.nodeid

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        by_file: dict[Path, list[pytest.Item]] = {}
        for item in session.items:
            by_file.setdefault(item.path, []).append(item)
        seconds = self.baseline(by_file)
        for number, mutant in self.wanted:
            files = sorted(self.tests[mutant.file], key=lambda path: self.promise(mutant, path, seconds))
            started = time.monotonic()
            outcome = self.child([item for path in files for item in by_file.get(path, [])], mutant)
            line = {"number": number, "file": mutant.file, "line": mutant.line, "function": mutant.function}
            line |= {"change": mutant.change, "outcome": outcome, "seconds": round(time.monotonic() - started, 1)}
            append(self.results, line)
            print(f"{number:4} {mutant.file}:{mutant.line} {mutant.change}: {outcome}", file=sys.stderr, flush=True)
        return True

    def promise(self, mutant: Mutant, path: Path, seconds: dict[str, float]) -> tuple[int, float]:
        """First the files that found most in this module, of equals the fastest: the order changes nothing else."""
        name = str(path.relative_to(ROOT))
        lines = [line for line in read(self.results) if line.get("file") == mutant.file]
        return -sum(line["outcome"].startswith(f"{name}::") for line in lines), seconds[name]

    def baseline(self, by_file: dict[Path, list[pytest.Item]]) -> dict[str, float]:
        """Seconds of each file without a fault; a test that fails there ends it all."""
        kept = [line["baseline"] for line in read(self.results) if "baseline" in line]
        known: dict[str, float] = kept[-1] if kept else {}
        for path, items in by_file.items():
            name = str(path.relative_to(ROOT))
            if name not in known:
                started = time.monotonic()
                outcome = self.child(items, None)
                if outcome != "survived":
                    raise SystemExit(f"{name}: it fails without a fault: {outcome}")
                known[name] = round(time.monotonic() - started, 2)
        append(self.results, {"baseline": known})
        return known

    def child(self, items: list[pytest.Item], mutant: Mutant | None) -> str:
        """``survived``, or the test that failed, or how the process ended."""
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            os.setsid()
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
            try:
                if mutant is not None:
                    exchange(mutant)
                for item, following in zip(items, [*items[1:], None], strict=True):
                    item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                    if self.failed:
                        break
                os.write(writing, (self.failed or "survived").encode())
            except BaseException as error:
                os.write(writing, f"{UNTRIED}: {error!r}".encode())
            finally:
                os._exit(0)
        os.close(writing)
        outcome = wait(pid, reading)
        os.close(reading)
        return outcome


def wait(pid: int, reading: int) -> str:
    """What the child says, or how it ended; nothing of its session is left."""
    ends = time.monotonic() + WALL_S
    while not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) and time.monotonic() < ends:
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.set_blocking(reading, False)
    try:
        return os.read(reading, 4096).decode() or "ended without an answer"
    except BlockingIOError:
        return "no end"


def exchange(mutant: Mutant) -> None:
    """Give the live function, whoever holds it, the mutant's code."""
    path = str(ROOT / mutant.file)
    codes = {code.co_qualname: code for code in all_codes(compile(mutant.tree, path, "exec"))}
    changed = 0
    for found in gc.get_objects():
        if type(found) is not FunctionType or found.__code__.co_filename != path:
            continue
        if found.__code__.co_qualname == mutant.function:
            found.__code__ = codes[mutant.function]
            changed += 1
    if not changed:
        raise LookupError(f"{mutant.file}: no live function {mutant.function}")


def all_codes(code: CodeType) -> list[CodeType]:
    return [code, *(c for const in code.co_consts if isinstance(const, CodeType) for c in all_codes(const))]


def read(results: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []


def append(results: Path, line: dict[str, Any]) -> None:
    with results.open("a") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--from", type=int, default=0, dest="start")
    parser.add_argument("--to", type=int, default=600)
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "out" / "mutants.jsonl")
    parser.add_argument("--again", action="store_true", help="try those that were not found once more")
    asked = parser.parse_args()
    asked.results.parent.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    order = [mutant for file in MODULES for mutant in mutants_of(ROOT, file)]
    print(f"{len(order)} mutants of {len(MODULES)} modules", file=sys.stderr)
    random.Random(asked.seed).shuffle(order)
    tried = {line["number"] for line in last(read(asked.results)) if not asked.again or line["outcome"] != "survived"}
    wanted = [(n, order[n]) for n in range(asked.start, min(asked.to, len(order))) if n not in tried]
    units = {path: reached(path) for path in sorted((ROOT / "tests" / "unit").rglob("test_*.py"))}
    tests = {file: [unit for unit, files in units.items() if ROOT / file in files] for file in MODULES}
    files = sorted({str(unit) for found in tests.values() for unit in found})
    options = ["-q", "-o", "addopts=", "--import-mode=importlib", "-m", "not slow"]
    options += [f"-pno:{plugin}" for plugin in ("cacheprovider", "xdist", "timeout")]
    code = pytest.main([*options, *files], plugins=[Mutation(wanted, tests, asked.results)])
    summary(read(asked.results))
    return int(code)


def last(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last line of each mutant."""
    return list({line["number"]: line for line in lines if "number" in line}.values())


def summary(lines: list[dict[str, Any]]) -> None:
    tried = [line for line in last(lines) if not line["outcome"].startswith(UNTRIED)]
    survived = [line for line in tried if line["outcome"] == "survived"]
    for line in survived:
        print(f"{line['file']}:{line['line']} {line['function']}: {line['change']}")
    print(f"{len(tried) - len(survived)} of {len(tried)} found, {len(survived)} not")


if __name__ == "__main__":
    raise SystemExit(main())
