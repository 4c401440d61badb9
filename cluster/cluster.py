"""The cluster: takes objects as ``kubectl apply`` does and lets processes follow them.

    with Cluster(folder) as cluster:
        cluster.apply(render(Path("k8s")))
        cluster.until(lambda: cluster.ready("learner"), "the learner to become ready")

One thread carries everything on; every process is its child and ends with it.
"""

from __future__ import annotations

import copy
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, TypeVar

import psutil

from cluster.controllers import job_status, ready, reconcile, revision, wanted
from cluster.environment import Node
from cluster.lifecycle import BackOff
from cluster.manifests import Key, Object, Objects, key
from cluster.nameserver import NameServer
from cluster.network import Network
from cluster.pod import Host, Pod, Template
from cluster.services import addresses
from cluster.volumes import Claims

T = TypeVar("T")
Change = Literal["created", "configured", "unchanged"]
WORKLOADS = ("Deployment", "StatefulSet", "Job")

# Far below every probe's period, and a few per mille of a core.
TICK_S = 0.05
PATIENCE_S = 400.0
"""Whatever takes longer has failed; four processes that import torch take two minutes on a machine that does six other
things."""


@dataclass(frozen=True, slots=True)
class Event:
    """What happened, as ``kubectl get events`` says it."""

    time_s: float
    about: str
    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.time_s:7.1f}s {self.about} {self.reason}: {self.message}"


class Cluster:
    """Pods of this machine; see the module's text. Everything it writes lies below ``folder``."""

    def __init__(
        self,
        folder: Path,
        *,
        back_off: BackOff = BackOff(),  # noqa: B008  (a frozen value)
        gpus: int = 0,
        watch: Callable[[Event], None] = lambda event: None,
    ) -> None:
        """``watch`` hears of each event as it happens."""
        folder = folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        self.objects = Objects()
        self.random = random.Random()
        self.events: list[Event] = []
        self.claims = Claims(folder / "claims")
        self._folder = folder
        self._watch = watch
        self._pods: list[Pod] = []
        self._lock = threading.RLock()
        self._ending = threading.Event()
        self._failure: BaseException | None = None
        self._born_s = time.monotonic()
        self._network = Network()
        self.names = NameServer(self._network.gateway, self._resolve)
        self._executor = ThreadPoolExecutor(16, thread_name_prefix="probe")
        self._host = Host(
            folder=folder,
            network=self._network,
            claims=self.claims,
            objects=self.objects,
            node=Node(os.cpu_count() or 1, psutil.virtual_memory().total, gpus),
            back_off=back_off,
            executor=self._executor,
            tell=self._tell,
        )
        self._thread = threading.Thread(target=self._carry_on, name="cluster")
        self._thread.start()

    def apply(self, items: Iterable[Object]) -> dict[Key, Change]:
        """As ``kubectl apply``: add what is new, change what has changed; what happened to each."""
        changes: dict[Key, Change] = {}
        with self._lock:
            for item in items:
                before = self.objects.get(key(item))
                changes[key(item)] = "created" if before is None else "unchanged" if before == item else "configured"
                self.objects.put(copy.deepcopy(item))
        return changes

    def delete(self, items: Iterable[Object]) -> None:
        """As ``kubectl delete``: workloads with their pods; a namespace with everything in it, claims too."""
        with self._lock:
            for which in [key(item) for item in items]:
                inside = [o for o in self.objects if which.kind == "Namespace" and key(o).namespace == which.name]
                for gone in [which, *map(key, inside)]:
                    self.objects.drop(gone)
                    if gone.kind == "PersistentVolumeClaim":
                        self.claims.drop(gone.namespace, gone.name)

    def scale(self, name: str, replicas: int) -> None:
        """As ``kubectl scale``."""
        with self._lock:
            item = copy.deepcopy(self._workload(name))
            item["spec"]["replicas"] = replicas
            self.objects.put(item)

    def drain(self) -> None:
        """As when the node is drained: every pod is asked to end within its grace period; others take their places."""
        with self._lock:
            for pod in self._pods:
                pod.delete()

    def pods(self, name: str = "") -> list[Pod]:
        """The pods of a workload, or all; those that are ending are among them."""
        with self._lock:
            return [pod for pod in self._pods if name in {"", pod.template.owner.name}]

    def pod(self, name: str) -> Pod:
        """The one pod of a workload that isn't ending."""
        (pod,) = (pod for pod in self.pods(name) if not pod.deleted)
        return pod

    def ready(self, *names: str) -> bool:
        """Whether these workloads have all the pods they want, ready, of the newest template, and no others."""
        return all(self._is_ready(name) for name in names or self._names())

    def job(self, name: str) -> str:
        """``Complete``, ``Failed``, or empty while the Job goes on."""
        item = self._workload(name)
        return job_status(item, self.owned(key(item)))

    def log(self, name: str) -> str:
        """What all pods of a workload have printed."""
        logs = sorted((self._folder / "logs").glob(f"{name}-*.log"))
        return "\n".join(log.read_text(errors="replace") for log in logs)

    def until(self, condition: Callable[[], T], what: str, patience_s: float = PATIENCE_S) -> T:
        """Ask until the answer is true; fail, with the newest events, after ``patience_s``."""
        end = time.monotonic() + patience_s
        while not (answer := condition()):
            if self._failure is not None:
                raise RuntimeError("the cluster has failed") from self._failure
            if time.monotonic() > end:
                told = "\n".join(map(str, self.events[-40:]))
                ends = "\n".join(
                    f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}"
                    for log in sorted((self._folder / "logs").glob("*.log"))
                )
                raise AssertionError(f"waited {patience_s:g} s in vain for {what}:\n{told}\n{ends}")
            time.sleep(0.05)
        return answer

    def close(self) -> None:
        """End everything, at once."""
        self._ending.set()
        self._thread.join()
        self.names.close()
        self._executor.shutdown(wait=True, cancel_futures=True)
        self._network.close()
        self.claims.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def owned(self, owner: Key) -> list[Pod]:
        """The pods of an owner that are not gone."""
        return [pod for pod in self._pods if pod.template.owner == owner]

    def create(self, template: Template) -> None:
        """Make a pod; for controllers."""
        self._pods.append(Pod(template, self._host))
        self._tell(str(template.owner), "SuccessfulCreate", f"created pod {template.name}")

    def _carry_on(self) -> None:
        try:
            while not self._ending.wait(TICK_S):
                with self._lock:
                    self._step(time.monotonic())
        except BaseException as error:
            self._failure = error
            raise
        finally:
            for pod in self._pods:
                pod.kill()

    def _step(self, now_s: float) -> None:
        for item in self.objects:
            reconcile(item, self, now_s)
        for pod in self._pods:
            if self.objects.get(pod.template.owner) is None:
                pod.delete()
            pod.tick(now_s)
        self._pods = [pod for pod in self._pods if not pod.gone]

    def _resolve(self, name: str) -> list[str] | None:
        with self._lock:
            return addresses(name, self.objects, self._pods)

    def _workload(self, name: str) -> Object:
        found = [item for kind in WORKLOADS for item in self.objects.of_kind(kind) if item["metadata"]["name"] == name]
        if len(found) != 1:
            raise ValueError(f'"{name}": {len(found)} workloads have this name; there are {self._names()}')
        return found[0]

    def _names(self) -> Sequence[str]:
        return [item["metadata"]["name"] for kind in WORKLOADS for item in self.objects.of_kind(kind)]

    def _is_ready(self, name: str) -> bool:
        with self._lock:
            item = self._workload(name)
            pods = self.owned(key(item))
            if item["kind"] == "Job":
                return bool(job_status(item, pods)) or bool(ready(pods))
            newest = all(pod.template.revision == revision(item["spec"]["template"]) for pod in pods)
            return newest and len(ready(pods)) == len(pods) == wanted(item)

    def _tell(self, about: str, reason: str, message: str) -> None:
        event = Event(time.monotonic() - self._born_s, about, reason, message)
        self.events.append(event)
        self._watch(event)
