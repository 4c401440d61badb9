"""One container of a pod over all its starts: probes, restarts with back-off, the way to its end."""

from __future__ import annotations

import signal
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field

from cluster.container import Ended, Running
from cluster.manifests import Object
from cluster.probes import Prober, prober, question

Tell = Callable[[str, str], None]
"""Takes an event: reason and message."""


@dataclass(frozen=True, slots=True)
class BackOff:
    """How long a container that ended waits for its next start: not at all the first time, then twice as long each."""

    first_s: float = 10.0
    limit_s: float = 300.0
    reset_s: float = 600.0
    """After so long a life the count begins anew."""

    def delay_s(self, ends: int) -> float:
        """Wait before the next start, after ``ends`` ends in a row."""
        return 0.0 if ends <= 1 else min(self.first_s * 2 ** (ends - 2), self.limit_s)


@dataclass(slots=True)
class Container:
    """State of one container; the pod says when it may start."""

    spec: Object
    address: str
    back_off: BackOff
    tell: Tell
    executor: Executor
    grace_s: float
    running: Running | None = None
    waiting: str = "PodInitializing"
    """Why it doesn't run, in kubectl's word."""
    ended: Ended | None = None
    """How it last ended."""
    restarts: int = 0
    starts: int = 0
    started_s: float = 0.0
    _set_up: bool = False
    _ends: int = 0
    _next_start_s: float = 0.0
    _kill_at_s: float | None = None
    _terminated: bool = False
    _hook: Future[object] | None = None
    _probers: dict[str, Prober] = field(default_factory=dict)
    _asked: dict[str, Future[str]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name in the pod."""
        return str(self.spec["name"])

    @property
    def sidecar(self) -> bool:
        """Whether it is an init container that goes on beside the others."""
        return self.spec.get("restartPolicy") == "Always"

    @property
    def started(self) -> bool:
        """Running, and past its startup probe."""
        return self._set_up and ("startupProbe" not in self.spec or self._probe("startupProbe").passed is True)

    @property
    def ready(self) -> bool:
        """Started, and readiness, if asked for, has passed."""
        return self.started and ("readinessProbe" not in self.spec or self._probe("readinessProbe").passed is True)

    @property
    def stopping(self) -> bool:
        """Whether it has been asked to end."""
        return self._kill_at_s is not None

    def may_start(self, now_s: float) -> bool:
        """Whether nothing but the pod holds it up; says CrashLoopBackOff where it has to wait."""
        if self.running is not None:
            return False
        if now_s < self._next_start_s:
            if self.waiting != "CrashLoopBackOff":
                self.tell("BackOff", f"back-off {self._next_start_s - now_s:.0f}s restarting {self.name}")
            self.waiting = "CrashLoopBackOff"
            return False
        return True

    def start(self, running: Running, now_s: float) -> None:
        """Take the process that was started for it."""
        self.running, self.started_s, self.waiting = running, now_s, "ContainerCreating"
        self.restarts += bool(self.starts)
        self.starts += 1
        self._set_up, self._kill_at_s, self._terminated, self._hook = False, None, False, None
        self._probers, self._asked = {}, {}

    def tick(self, now_s: float) -> None:
        """Notice its end, ask its probes, carry on its stopping."""
        if self.running is None:
            return
        code = self.running.poll()
        if code is not None:
            self._reap(code, now_s)
            return
        if not self._set_up and self.running.set_up:
            self._set_up, self.waiting = True, ""
            self.tell("Started", f"started container {self.name}")
        if self.stopping:
            self._carry_on_stopping(now_s)
        if self._set_up:
            self._ask(now_s)

    def stop(self, now_s: float, grace_s: float | None = None) -> None:
        """Ask it to end: the preStop hook, SIGTERM, and SIGKILL when the grace period is over."""
        if self.running is None or self.stopping:
            return
        self._kill_at_s = now_s + (self.grace_s if grace_s is None else grace_s)
        self.tell("Killing", f"stopping container {self.name}")
        hook = self.spec.get("lifecycle", {}).get("preStop")
        if hook and "exec" in hook:
            self._hook = self.executor.submit(self.running.execute, hook["exec"]["command"], self.grace_s)
        elif hook and "sleep" in hook:
            self._hook = self.executor.submit(self.running.execute, ["sleep", str(hook["sleep"]["seconds"])], 1e6)

    def kill(self) -> None:
        """End it now."""
        if self.running is not None:
            self.running.kill()

    def _carry_on_stopping(self, now_s: float) -> None:
        assert self.running is not None
        assert self._kill_at_s is not None
        if now_s >= self._kill_at_s:
            self.tell("Killing", f"container {self.name} did not end in its grace period: SIGKILL")
            self.running.kill()
        elif not self._terminated and self._set_up and (self._hook is None or self._hook.done()):
            self._terminated = True
            self.running.signal(signal.SIGTERM)

    def _reap(self, code: int, now_s: float) -> None:
        assert self.running is not None
        self.ended = self.running.ended(code, self.spec.get("terminationMessagePolicy", "File"))
        if now_s - self.started_s > self.back_off.reset_s:
            self._ends = 0
        self._ends += 1
        self._next_start_s = now_s + self.back_off.delay_s(self._ends)
        self.running, self._set_up, self._kill_at_s = None, False, None
        self.waiting = self.ended.reason
        said = f": {self.ended.message}" if self.ended.message else ""
        self.tell(self.ended.reason, f"container {self.name} ended with {code}{said}")

    def _probe(self, kind: str) -> Prober:
        if kind not in self._probers:
            self._probers[kind] = prober(self.spec[kind])
        return self._probers[kind]

    def _ask(self, now_s: float) -> None:
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            if kind not in self.spec:
                continue
            probe = self._probe(kind)
            asked = self._asked.get(kind)
            if asked is not None and asked.done():
                del self._asked[kind]
                probe.observe(asked.result())
                self._consequences(kind, probe, now_s)
            # The others wait for the startup probe, and it is over when it has passed; a container that is being
            # stopped is asked for its readiness alone.
            open_ = not self.started and not self.stopping if kind == "startupProbe" else self.started
            open_ = open_ and (kind == "readinessProbe" or not self.stopping)
            if open_ and kind not in self._asked and probe.due(now_s, self.started_s):
                assert self.running is not None
                ask = question(self.spec[kind], self.spec, self.address, self.running.execute)
                self._asked[kind] = self.executor.submit(ask)

    def _consequences(self, kind: str, probe: Prober, now_s: float) -> None:
        if probe.passed is False and kind != "readinessProbe" and not self.stopping:
            self.tell("Unhealthy", f"{kind} of {self.name} failed: {probe.why}; it will be restarted")
            self.stop(now_s, self.spec[kind].get("terminationGracePeriodSeconds"))
