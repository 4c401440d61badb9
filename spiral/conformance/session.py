"""One run of the suite: from what the user asks for to a target, and from its results to the exit code."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from spiral.conformance.process import Command
from spiral.conformance.scenes import set_up
from spiral.conformance.suite_options import SuiteOptions
from spiral.conformance.target import Target
from spiral.wire.addresses import check_address


@contextmanager
def opened(options: SuiteOptions, tell: Callable[[str], object] = lambda line: None) -> Iterator[Target]:
    """The target, reachable and serving; whatever was started is ended with the block.

    ``tell`` hears what the user has to start, where nobody else does. ValueError if the options make no sense,
    Failure where the target does not serve.
    """
    if not options.target and not options.command:
        raise ValueError("--target: not given; expected an address, or --command, which is told one in SPIRAL_LISTEN")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="conformance-")))
        address = check_address(options.target or f"unix:{folder}/target", "--target")
        scene = stack.enter_context(set_up(options, address, folder))
        if not options.command and len(scene.environment) > 1:
            tell("start the target with")
            for name, value in scene.environment.items():
                tell(f"  {name}={shlex.quote(value)}")
        if options.command:
            scene.target.command = Command(options.command, scene.environment, folder / "log")
            stack.callback(scene.target.command.kill)
        stack.callback(scene.target.close)
        scene.target.start()
        yield scene.target
