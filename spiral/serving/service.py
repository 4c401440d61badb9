"""The shell that every service shares: address, health, info, metrics page, log and a clean end.

    with Serving("renderer", options, metrics, capabilities=("render",)) as serving:
        add_RendererServiceServicer_to_server(servicer, serving.server)
        serving.start()
        serving.wait()

A service with its own loop calls ``serving.tick()`` in it and ends when ``serving.stopping`` is set. The end of the
``with`` block answers NOT_SERVING, gives calls in progress ``grace_s`` seconds to end, frees all addresses, and runs
the callbacks of :meth:`Serving.on_end`. SIGHUP does the same, with exit code 129. SIGUSR1 logs the stacks of all
threads.

The end has a deadline, whatever gRPC does. If the servers don't close, because a call does not end even when it is cut
off or because gRPC hangs, the process runs the callbacks and exits without closing them. If the rest takes longer than
``finish_s``, the process exits at once. Both log the stacks of all threads and exit with code 1.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import FrameType
from typing import NoReturn, Self

from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from spiral.serving.metrics import Metrics, MetricsPage
from spiral.serving.options import ServiceOptions, StartError
from spiral.serving.self_check import STANDARD_ERROR, SelfCheck
from spiral.v1 import info_pb2_grpc
from spiral.wire.addresses import split_tcp
from spiral.wire.edges import Service
from spiral.wire.health import Health
from spiral.wire.info import Info
from spiral.wire.interceptor import StatusInterceptor
from spiral.wire.server import Server

logger = logging.getLogger(__name__)

# How often a service without a loop of its own reports that its main thread is alive.
TICK_S = 1.0
# Time that a call may need to notice that it was cut off, above all a step of a renderer's engine.
CUT_OFF_S = 10.0
# Time for the main loop to return and for the callbacks at the end; a checkpoint on a slow disk needs more.
FINISH_S, FINISH_WITH_CHECKPOINT_S = 3.0, 120.0
# A call counts as ended when its method has returned; its answer needs a moment longer.
ANSWER_S = 0.2


class Serving:
    """A service at its address; the module's docstring shows how to use it."""

    def __init__(
        self,
        service: Service,
        options: ServiceOptions,
        metrics: Metrics,
        *,
        capabilities: Sequence[str] = (),
        max_streams: int = 0,
        workers: int = 16,
        finish_s: float = FINISH_S,
    ) -> None:
        """Take the addresses of ``options`` and handle signals; answers begin with :meth:`start`.

        ``workers`` threads answer calls. After a stop, the main loop and the callbacks at the end have ``finish_s``
        seconds, besides the time for calls in progress. Raises StartError if an address is in use.
        """
        set_up_logging(service, options.log_level)
        faulthandler.register(signal.SIGUSR1, STANDARD_ERROR, all_threads=True)
        self.stopping = threading.Event()
        """Set when the service should end: by SIGTERM, SIGINT, SIGHUP, the parent's death or :meth:`stop`."""
        self.info = Info(service, capabilities, max_streams)
        """What GetInfo answers; version, digest and waits are set there."""
        self._grace_s, self._finish_s = options.grace_s, finish_s
        self._health = Health()
        self._guard = StatusInterceptor()
        self._callbacks: list[Callable[[], None]] = []
        self._last: list[Callable[[], object]] = []
        self._closed = False
        self._ended = threading.Event()
        self._hung_up = False
        with ExitStack() as stack:
            try:
                servers = stack.enter_context(ExitStack())
                self.server = Server(options.listen, workers, [self._guard], options.identity)
                """Where the service adds its servicers."""
                servers.callback(self.server.close)
                self._probes = Server(options.health, workers=2) if options.health else None
                if self._probes:
                    servers.callback(self._probes.close)
                page = MetricsPage(metrics, options.metrics)
                stack.callback(page.close)
            except ValueError as error:
                raise StartError(str(error)) from error
            self.info.metrics_url = _url(page.address)
            self._watch_parent(options.parent_pipe)
            self._watch_signals(stack)
            self._servers, self._stack = servers.pop_all(), stack.pop_all()
        checked = self._probes or (self.server if options.identity is None else None)
        failed = metrics["spiral_self_check_failures_total"].inc
        self._self_check = SelfCheck(checked.address, failed) if checked else None

    def start(self) -> None:
        """Begin to answer calls, health and reflection. Add the servicers before."""
        info_pb2_grpc.add_InfoServiceServicer_to_server(self.info, self.server)
        names = list(self.server.service_names)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.server)
        reflection.enable_server_reflection([*self.server.service_names, reflection.SERVICE_NAME], self.server)
        self.server.start()
        if self._probes:
            health_pb2_grpc.add_HealthServicer_to_server(self._health, self._probes)
            self._probes.start()
        self._health.serve(names)
        if self._self_check:
            self._self_check.start()
        logger.info("listening on %s, metrics on %s", self.server.address, self.info.metrics_url)

    def wait(self, check: Callable[[], object] = lambda: None) -> None:
        """Wait until the service should end; meanwhile tick and call ``check`` every second."""
        self.tick()
        while not self.stopping.wait(TICK_S):
            self.tick()
            check()

    def tick(self) -> None:
        """Report that the main loop is alive; a service that does so less than once a minute is restarted."""
        self._health.tick()

    def stop(self, why: str = "asked to") -> None:
        """Ask the service to end. May be called from any thread, and more than once."""
        if not self.stopping.is_set():
            logger.info("stopping: %s", why)
            self.stopping.set()
            threading.Thread(target=self._watch_end, name="deadline", daemon=True).start()
            for callback in self._callbacks:
                callback()

    def on_stop(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` once when the service should end, in whichever thread notices first."""
        self._callbacks.append(callback)

    def on_end(self, callback: Callable[[], object]) -> None:
        """Call ``callback`` at the end of the block, after the last call has ended; ``finish_s`` includes it.

        Use it for anything that must include all answers that were given, such as a last checkpoint.
        """
        self._last.append(callback)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: object) -> None:
        self.stopping.set()
        if self._self_check:
            self._self_check.end()
        grace_s = self._grace_s if kind is None else 0.0
        # gRPC may hang, and a last checkpoint has to be written all the same: a thread of its own closes the servers.
        closing = threading.Thread(target=self._close, args=(grace_s,), name="closing", daemon=True)
        closing.start()
        closing.join(grace_s + CUT_OFF_S + 2 * ANSWER_S)
        try:
            for callback in self._last:
                callback()
        finally:
            self._ended.set()
        if not self._closed:
            if closing.is_alive():
                logger.error("gRPC did not close within %g s of its calls' being cut off", CUT_OFF_S)
            _exit_with_stacks()
        self._stack.close()
        logger.info("ended")
        if self._hung_up and kind is None:
            raise SystemExit(128 + signal.SIGHUP)

    def _close(self, grace_s: float) -> None:
        """Wait for calls to end, then close the servers."""
        self._health.enter_graceful_shutdown()
        idle = self._guard.wait_idle(grace_s)
        if not idle:
            logger.warning("calls are still under way after %g s; they are cut off", self._grace_s)
        self.server.stop(ANSWER_S if idle else None).wait(ANSWER_S)
        # Closing would wait for that call's thread forever.
        if not self._guard.wait_idle(CUT_OFF_S):
            logger.error("a call did not end within %g s of being cut off", CUT_OFF_S)
            return
        self._servers.close()
        self._closed = True

    def _watch_end(self) -> None:
        limit_s = self._grace_s + CUT_OFF_S + self._finish_s
        if not self._ended.wait(limit_s):
            logger.error("not ended %g s after the stop", limit_s)
            _exit_with_stacks()

    def _watch_signals(self, stack: ExitStack) -> None:
        # A handler interrupts the main thread, which may hold the very locks that stopping and logging need. So it
        # only writes a byte, and a separate thread does the rest.
        reader, writer = os.pipe()

        def signalled(number: int, frame: FrameType | None) -> None:
            os.write(writer, bytes([number]))

        def watch() -> None:
            while number := os.read(reader, 1):
                self._hung_up |= number[0] == signal.SIGHUP
                self.stop(signal.Signals(number[0]).name)
            os.close(reader)

        stack.callback(os.close, writer)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
                stack.callback(signal.signal, number, signal.signal(number, signalled))
        threading.Thread(target=watch, name="signals", daemon=True).start()

    def _watch_parent(self, pipe: int | None) -> None:
        if pipe is None:
            return
        try:
            os.fstat(pipe)
        except OSError as error:
            raise StartError(f"parent_pipe: {pipe} is no open file descriptor of this process") from error

        def watch() -> None:
            while os.read(pipe, 1):
                pass
            self.stop("the parent is gone")

        threading.Thread(target=watch, name="parent", daemon=True).start()


def _exit_with_stacks() -> NoReturn:
    """Exit at once: the interpreter's own exit would wait for the threads that hang."""
    logger.error("the process exits with code 1; the stacks of all threads follow")
    faulthandler.dump_traceback(STANDARD_ERROR, all_threads=True)
    os._exit(1)


class _OneLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("\n", " ⏎ ")


def set_up_logging(service: str, level: str) -> None:
    """Log to standard error, one line per record, each with the service's name."""
    out = logging.StreamHandler(sys.stderr)
    out.setFormatter(_OneLine(f"%(asctime)s {service} %(levelname)s %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[out], force=True)


def _url(address: str) -> str:
    host, port = split_tcp(address)
    if host in {"0.0.0.0", "::", "*"}:
        host = socket.gethostname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/metrics"
