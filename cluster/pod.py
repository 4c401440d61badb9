"""One pod: its network, volumes and containers in their order, from creation until nothing of it is left."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from cluster import images
from cluster.container import Process, Running
from cluster.environment import ConfigError, Identity, Node, environment, expand
from cluster.lifecycle import BackOff, Container
from cluster.manifests import Key, Object, Objects
from cluster.nameserver import DOMAIN
from cluster.network import Network, Sandbox
from cluster.volumes import Claims, VolumeError, Volumes, prepare

Phase = Literal["Pending", "Running", "Succeeded", "Failed"]


@dataclass(frozen=True, slots=True)
class Host:
    """What pods share of the machine they run on."""

    folder: Path
    network: Network
    claims: Claims
    objects: Objects
    node: Node
    back_off: BackOff
    executor: Executor
    tell: Callable[[str, str, str], None]
    """Takes an event: object, reason, message."""


@dataclass(frozen=True, slots=True)
class Template:
    """What a controller wants a pod to be."""

    name: str
    owner: Key
    revision: str
    spec: Object
    labels: dict[str, str]
    annotations: dict[str, str] = field(default_factory=dict)
    ordinal: int | None = None


class Pod:
    """A pod; :meth:`tick` carries it on, and only the cluster's own thread calls it."""

    def __init__(self, template: Template, host: Host) -> None:
        self.template = template
        self.name = template.name
        self.uid = str(uuid.uuid4())
        self.phase: Phase = "Pending"
        self.address = ""
        self.deleted = False
        """Whether it is to end; it stays until its last container has."""
        self.gone = False
        self.created_s = time.monotonic()
        self.ready_since_s: float | None = None
        self.containers: list[Container] = []
        self._host = host
        self._folder = host.folder / "pods" / self.uid
        self._sandbox: Sandbox | None = None
        self._volumes: Volumes | None = None
        self._grace_s = float(self._spec.get("terminationGracePeriodSeconds", 30))
        self._said = ""

    @property
    def namespace(self) -> str:
        """Its owner's namespace."""
        return self.template.owner.namespace

    @property
    def ready(self) -> bool:
        """Whether it counts as ready: all that run are, and nobody has asked it to end."""
        return self.phase == "Running" and bool(self._lasting) and all(c.ready for c in self._lasting)

    @property
    def finished(self) -> bool:
        """Whether it has succeeded or failed for good."""
        return self.phase in {"Succeeded", "Failed"}

    @property
    def restarts(self) -> int:
        """Restarts of its containers, all together."""
        return sum(container.restarts for container in self.containers)

    @property
    def status(self) -> str:
        """The word that kubectl shows."""
        if self.deleted:
            return "Terminating"
        waiting = [c.waiting for c in self.containers if c.waiting and c.waiting != "PodInitializing"]
        return waiting[0] if waiting and not self.finished else self.phase

    def container(self, name: str = "") -> Container:
        """A container by name; without one, the first that is no init container."""
        return next(c for c in (self.containers if name else self._mains) if name in {"", c.name})

    def delete(self, grace_s: float | None = None) -> None:
        """Ask it to end, within its own grace period or the one given."""
        self.deleted = True
        if grace_s is not None:
            self._grace_s = grace_s

    def tick(self, now_s: float) -> None:
        """Carry it on by a step."""
        if self.gone:
            return
        for container in self.containers:
            container.tick(now_s)
        if self.deleted:
            self._end(now_s)
        elif self._sandbox is None:
            self._set_up()
        elif not self.finished:
            self._run(now_s)
        self.ready_since_s = (self.ready_since_s or now_s) if self.ready else None

    def kill(self) -> None:
        """End all of it now, without a word to it."""
        for container in self.containers:
            container.kill()
        if self._sandbox:
            self._sandbox.close()
        self.gone = True

    @property
    def _spec(self) -> Object:
        return self.template.spec

    @property
    def _inits(self) -> list[Container]:
        return self.containers[: len(self._spec.get("initContainers", []))]

    @property
    def _mains(self) -> list[Container]:
        return self.containers[len(self._spec.get("initContainers", [])) :]

    @property
    def _lasting(self) -> list[Container]:
        return [c for c in self._inits if c.sidecar] + self._mains

    def _set_up(self) -> None:
        """Sandbox and volumes; waits where a volume refers to something that isn't there."""
        identity = self._identity("")
        wanted = sum(_gpus(item) for item in self._spec["containers"])
        if wanted > self._host.node.gpus:
            self._say("FailedScheduling", f"Insufficient nvidia.com/gpu: {wanted} wanted, {self._host.node.gpus} there")
            return
        try:
            volumes = prepare(self._folder / "volumes", self._spec, identity, self._host.objects, self._host.claims)
        except VolumeError as error:
            self._say("FailedMount", str(error))
            return
        self._sandbox = self._host.network.sandbox(self._host_name)
        self.address, self._volumes = self._sandbox.address, volumes
        self.containers = [
            Container(
                spec=spec,
                address=self.address,
                back_off=self._host.back_off,
                tell=self._tell,
                executor=self._host.executor,
                grace_s=self._grace_s,
            )
            for spec in [*self._spec.get("initContainers", []), *self._spec["containers"]]
        ]

    def _run(self, now_s: float) -> None:
        """Start what may start, in the order of init containers, sidecars and the others; notice the end."""
        for container in [] if self._sidecars_are_ending else self._inits:
            if container.sidecar:
                self._start(container, now_s)
                if not container.started:
                    return
            elif container.ended is None or container.ended.code != 0:
                if container.ended is None or self._restart_policy != "Never":
                    self._start(container, now_s)
                elif container.running is None:
                    self._finish("Failed")
                return
        for container in self._mains:
            if container.ended is None or container.running or self._restarts(container):
                self._start(container, now_s)
        if self.phase == "Pending" and all(c.running or c.ended for c in self._mains):
            self.phase = "Running"
        if all(c.ended and not c.running and not self._restarts(c) for c in self._mains):
            sidecars = [c for c in self._inits if c.sidecar and c.running]
            if sidecars:
                sidecars[-1].stop(now_s, self._grace_s)
            else:
                succeeded = all(c.ended and c.ended.code == 0 for c in self._mains)
                self._finish("Succeeded" if succeeded else "Failed")

    def _end(self, now_s: float) -> None:
        """Stop the others, then the sidecars in reverse order, all within one grace period."""
        for container in self._mains or self.containers:
            container.stop(now_s, self._grace_s)
        left = [c for c in self.containers if c.running]
        if left and not any(c.running for c in self._mains):
            left[-1].stop(now_s, self._grace_s)
        if not left:
            self.kill()

    def _finish(self, phase: Phase) -> None:
        self.phase = phase
        self._tell(phase, f"pod {self.name}")
        if self._sandbox:
            self._sandbox.close()

    def _restarts(self, container: Container) -> bool:
        code = container.ended.code if container.ended else 0
        return self._restart_policy == "Always" or (self._restart_policy == "OnFailure" and code != 0)

    @property
    def _restart_policy(self) -> str:
        return str(self._spec.get("restartPolicy", "Always"))

    def _start(self, container: Container, now_s: float) -> None:
        if self._sidecars_are_ending or not container.may_start(now_s):
            return
        assert self._sandbox
        assert self._volumes
        try:
            process = self._process(container)
        except (ConfigError, images.ImageError) as error:
            container.waiting = "CreateContainerConfigError"
            if isinstance(error, images.ImageError):
                container.waiting = "ErrImageNeverPull"
            self._say(container.waiting, str(error))
            return
        folder = self._folder / f"{container.name}-{container.starts}"
        log = self._host.folder / "logs" / f"{self.name}_{container.name}.log"
        container.start(Running(process, self._sandbox, folder, log), now_s)

    @property
    def _sidecars_are_ending(self) -> bool:
        """A sidecar that has been asked to end because the others have is not started again."""
        return bool(self._mains) and all(c.ended and not c.running and not self._restarts(c) for c in self._mains)

    def _process(self, container: Container) -> Process:
        """Everything that the manifest and the image say of this container."""
        spec, assigned = container.spec, self._identity(self.address)
        image = images.find(spec["image"])
        assert self._volumes
        values = image.environment | environment(spec, assigned, self._host.objects, self._host.node)
        security = self._spec.get("securityContext", {}) | spec.get("securityContext", {})
        user = security.get("runAsUser", image.user)
        if security.get("runAsNonRoot") and user == 0:
            raise ConfigError(f"container {container.name} has runAsNonRoot and its user is root")
        group = security.get("runAsGroup", image.group if "runAsUser" not in security else 0)
        # A command in the manifest replaces both of the image's; arguments replace the image's own alone.
        own = image.command if "command" not in spec and "args" not in spec else ()
        words = [*spec.get("command", image.entrypoint), *spec.get("args", own)]
        dropped = "ALL" in security.get("capabilities", {}).get("drop", [])
        return Process(
            argv=[expand(word, values) for word in words],
            environment=values | {"HOSTNAME": self._host_name},
            working_dir=spec.get("workingDir", image.working_dir),
            user=user,
            group=group,
            groups=[g for g in (security.get("fsGroup"), *security.get("supplementalGroups", [])) if g is not None],
            mounts=self._volumes.mounts(spec, lambda text: expand(text, values)),
            read_only_root=security.get("readOnlyRootFilesystem", False),
            new_privileges=security.get("allowPrivilegeEscalation", True),
            capabilities=not dropped,
            needs=image.needs,
            links=image.links,
            message_path=spec.get("terminationMessagePath", "/dev/termination-log"),
            hosts=self._hosts(),
            resolver=self._resolver(),
        )

    @property
    def _host_name(self) -> str:
        return str(self._spec.get("hostname", self.name))[:63]

    def _hosts(self) -> str:
        full = f"{self._host_name}.{self._spec['subdomain']}.{self.namespace}.svc.{DOMAIN} " if self._named else ""
        return f"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost\n{self.address}\t{full}{self._host_name}\n"

    @property
    def _named(self) -> bool:
        return "subdomain" in self._spec

    def _resolver(self) -> str:
        search = f"{self.namespace}.svc.{DOMAIN} svc.{DOMAIN} {DOMAIN}"
        return f"search {search}\nnameserver {self._host.network.gateway}\noptions ndots:5\n"

    def _identity(self, address: str) -> Identity:
        return Identity(
            name=self.name,
            namespace=self.namespace,
            uid=self.uid,
            address=address,
            host_address=self._host.network.gateway,
            labels=self.template.labels,
            annotations=self.template.annotations,
            service_account=self._spec.get("serviceAccountName", "default"),
        )

    def _tell(self, reason: str, message: str) -> None:
        self._host.tell(f"pod/{self.name}", reason, message)

    def _say(self, reason: str, message: str) -> None:
        """Tell of something that is tried again and again, once."""
        if message != self._said:
            self._said = message
            self._tell(reason, message)


def _gpus(container: dict[str, Any]) -> int:
    return int(container.get("resources", {}).get("limits", {}).get("nvidia.com/gpu", 0))
