"""Writes docs/conformance.md from the cases: ``python -m spiral.conformance.document > docs/conformance.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from spiral.conformance.case import GROUPS, Case
from spiral.conformance.catalogue import cases_of
from spiral.wire.edges import SERVICES, Service

HEAD = """# Conformance

What a service must promise to replace another one, case by case: the sentence is the promise, and
the text below it says how the suite tests it. This page is generated from the cases in
`spiral/conformance` by `python -m spiral.conformance.document > docs/conformance.md`.

```
spiral conformance renderer --target 127.0.0.1:50051
spiral conformance renderer --target unix:/tmp/r.sock --command 'node renderer.js' --level extended --junit junit.xml
```

The target is an address (`host:port` or `unix:/path`; with the TLS options, over mutual TLS), or a
command that the suite starts itself with the address in `SPIRAL_LISTEN`. The cases about restarts
and signals need `--command` (or, for the signal, `--drain-command`); otherwise they are skipped,
with the reason. A skipped case never fails a run.

*Core* cases are what the training loop needs. *Extended* cases are what the protocol leaves
optional: a case for a capability is skipped unless `GetInfo` claims the capability. `--load` adds
measurements at growing concurrency. In pytest:
`pytest -p spiral.conformance.plugin --conformance renderer --conformance-target ADDRESS`.

A learner and an actor need peers, and the suite plays them. It listens first, and then starts the
target with these variables, or prints them:

| variable | for | what |
|---|---|---|
| `SPIRAL_LISTEN` | both | the target's own gRPC address |
| `SPIRAL_RENDERER`, `SPIRAL_DISCRIMINATOR` | both | gRPC addresses of the suite's renderer and discriminator |
| `SPIRAL_LEARNER` | actor | gRPC address where the suite serves weights |
| `SPIRAL_LEARNER_DATA` | both | where trajectories go: `host:port` is ZeroMQ's `tcp://`, `unix:/path` its `ipc://` |
| `SPIRAL_RUN_DIR` | learner | a folder of its own, which is kept over restarts |
| `SPIRAL_CONFIG` | both | the run: the name of a preset or a YAML file |
| `SPIRAL_SET` | both | single settings on top of it, a JSON list of `key=value` |

The run is the suite's `--config` and `--set`. A preset is a file in `spiral/presets`; keys that are
not in it have the defaults of `spiral/configuration/schema.py`. The contents of the messages depend
on `num_actions`, `unroll`, `conditional`, `actor.batch` and `policy.noise`, and, if episodes are
cut into unrolls, on the memory of `policy.network`. The cases about unrolls and memory need a run
that has them: `--set num_actions=5 --set unroll=2`, and `--set policy.network=paper` for a memory.

For any engine name, the suite's renderer has its own engine with 32×32 gray pixels. An actor whose
policy is not ours gets its weights from `--weights`. With `--curve-key` and `--curve-peers` the
suite encrypts its end of the trajectories, with keys as `spiral certs` writes them; give the target
its keys yourself.

Within a service the cases run in the order of this page; the case that ends the target is the last.
"""


def document() -> str:
    """The page."""
    return "\n".join([HEAD, *(line for service in SERVICES for line in _chapter(service))])


def _chapter(service: Service) -> Iterable[str]:
    yield f"## {service.capitalize()}\n"
    cases = cases_of(service, load=True)
    for group in GROUPS:
        of_group = [each for each in cases if each.group == group]
        if of_group:
            yield f"### {service.capitalize()}: {group}\n"
            yield from map(_paragraph, of_group)


def _paragraph(each: Case) -> str:
    claims = f", capability `{each.capability}`" if each.capability else ""
    level = f" *({each.level}{claims})*" if each.level != "core" else ""
    return f"**{each.sentence}**{level} `{each.name}`\n\n{each.procedure}\n"


def main() -> int:
    """Print the page; the exit code."""
    sys.stdout.write(document())
    return 0


if __name__ == "__main__":
    sys.exit(main())
