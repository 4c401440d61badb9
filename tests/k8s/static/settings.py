"""What the manifests tell the services, read by the services' own schema."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from spiral.services.actor.options import ActorOptions
from spiral.services.discriminator.options import DiscriminatorOptions
from spiral.services.learner.options import LearnerOptions
from spiral.services.renderer.options import RendererOptions
from spiral.serving.options import RunOptions, ServiceOptions, StartError, parse
from spiral.serving.service import CUT_OFF_S, FINISH_S, FINISH_WITH_CHECKPOINT_S
from spiral.wire.addresses import split_tcp
from tests.k8s.static.combinations import Object
from tests.k8s.static.objects import Pod, of_kind, only, quantity

SCHEMAS: dict[str, type[ServiceOptions]] = {
    "renderer": RendererOptions,
    "actor": ActorOptions,
    "learner": LearnerOptions,
    "discriminator": DiscriminatorOptions,
}
READ_ELSEWHERE = {"SPIRAL_OPTIONS_FILE", "SPIRAL_DATA", "SPIRAL_BRUSHES"}
"""Variables of the services that are no options: where options, data sets and brushes are looked for."""
NAMES = {f"{service.upper()}_NAME" for service in SCHEMAS}
"""Variables that other variables speak of."""
OF_LIBRARIES = {"GRPC_VERBOSITY", "OMP_NUM_THREADS"}


def environment(container: Object, folders: Mapping[str, Path]) -> dict[str, str]:
    """The variables of a container; paths below a mount that ``folders`` knows lead to the folder there."""
    values: dict[str, str] = {}
    for variable in container.get("env", []):
        source = variable.get("valueFrom", {})
        if "resourceFieldRef" in source:
            group, _, which = source["resourceFieldRef"]["resource"].partition(".")
            amount = quantity(container["resources"][group][which]) / quantity(source["resourceFieldRef"]["divisor"])
            values[variable["name"]] = str(math.ceil(amount))
        elif "fieldRef" in source:
            values[variable["name"]] = "a-pod"
        else:
            text = re.sub(r"\$\((\w+)\)", lambda found: values.get(found[1], found[0]), variable["value"])
            mount = next((path for path in folders if text.startswith(f"{path}/")), None)
            values[variable["name"]] = str(folders[mount] / text[len(mount) + 1 :]) if mount else text
    return values


def mounted(pod: Pod, objects: list[Object], secrets: Path, scratch: Path) -> dict[str, Path]:
    """Where the files that a pod mounts are on this machine: ConfigMaps below ``scratch``, Secrets of a service in its
    folder of ``secrets``."""
    folders = {}
    for volume in pod.spec.get("volumes", []):
        if "configMap" in volume:
            called = volume["configMap"]["name"]
            folder = scratch / called
            folder.mkdir(exist_ok=True)
            for file, text in only(objects, "ConfigMap", called)["data"].items():
                (folder / file).write_text(text)
        elif "secret" in volume:
            folder = secrets / volume["secret"]["secretName"].rpartition("-")[0]
        else:
            continue
        for container in pod.containers:
            for mount in container.get("volumeMounts", []):
                if mount["name"] == volume["name"]:
                    folders[mount["mountPath"]] = folder
    return folders


def wrong(pod: Pod, objects: list[Object], folders: Mapping[str, Path]) -> Iterator[str]:
    """Whatever a service would not understand of its environment, or the cluster of the service."""
    for container in pod.containers:
        service = container["name"]
        if service not in SCHEMAS or not of_service(container, service):
            continue
        for variable in container.get("env", []):
            unknown = variable["name"].removeprefix("SPIRAL_").lower() not in SCHEMAS[service].model_fields
            if unknown and variable["name"] not in READ_ELSEWHERE | OF_LIBRARIES | NAMES:
                yield f"{pod.name}, {service}: {variable['name']} is no setting"
        try:
            options = parse(SCHEMAS[service], service, [], environment(container, folders))
        except StartError as error:
            yield f"{pod.name}, {service}: {error}"
            continue
        yield from (f"{pod.name}, {service}: {sentence}" for sentence in _unfit(options, container, pod, objects))


def of_service(container: Object, service: str) -> bool:
    """Whether the container's image is this service's."""
    image: str = container["image"]
    return image.rpartition(":")[0].rsplit("/", 1)[-1] == f"spiral-{service}"


def _unfit(options: ServiceOptions, container: Object, pod: Pod, objects: list[Object]) -> Iterator[str]:
    ports = {port["containerPort"] for port in container["ports"]}
    listened = [options.health, options.metrics]
    if not options.listen.startswith("127."):
        listened.append(options.listen)
    if (
        container["name"] == "learner"
        and isinstance(options, RunOptions)
        and not options.learner_data.startswith("127.")
    ):
        listened.append(options.learner_data)
    numbers = {split_tcp(address)[1] for address in listened}
    if numbers != ports:
        yield f"it listens on {sorted(numbers)}, and the manifest declares {sorted(ports)}"
    health = split_tcp(options.health)[1]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = container.get(probe, {}).get("grpc", {}).get("port", health)
        if asked != health:
            yield f"{probe} asks port {asked}, health is on {health}"
    if "livenessProbe" not in container:
        yield "no livenessProbe"
    # Besides calls in progress, what is cut off and the last work need their time.
    end_s = CUT_OFF_S
    end_s += FINISH_WITH_CHECKPOINT_S if isinstance(options, LearnerOptions | DiscriminatorOptions) else FINISH_S
    if options.grace_s + end_s > pod.spec.get("terminationGracePeriodSeconds", 30):
        yield f"grace_s {options.grace_s:g} leaves no {end_s:g} s of the pod's grace period"
    if isinstance(options, RunOptions):
        yield from _unfit_run(options, container, pod, objects)


def _unfit_run(options: RunOptions, container: Object, pod: Pod, objects: list[Object]) -> Iterator[str]:
    try:
        options.run_config()
    except ValueError as error:
        yield str(error)
    service = container["name"]
    for peer in {"actor": ("renderer", "learner", "learner_data", "discriminator")}.get(service, ()):
        yield from _unreachable(getattr(options, peer), peer, pod, objects)
    if service == "learner":
        for peer in ("renderer", "discriminator"):
            yield from _unreachable(getattr(options, peer), peer, pod, objects)
    directory = getattr(options, "run_dir", None)
    if directory is not None:
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        kept = pod.claims | {volume["name"] for volume in pod.spec["volumes"] if "persistentVolumeClaim" in volume}
        above = [mounts[str(path)] for path in PurePosixPath(directory).parents if str(path) in mounts]
        if not set(above) & kept:
            yield f"run_dir {directory} is on no claim"


def _unreachable(address: str, peer: str, pod: Pod, objects: list[Object]) -> Iterator[str]:
    host, port = split_tcp(address.removeprefix("dns:///"))
    if host == "127.0.0.1":
        listening = {
            variable["value"]
            for container in pod.containers
            for variable in container["env"]
            if variable["name"] in {"SPIRAL_LISTEN", "SPIRAL_LEARNER_DATA"}
        }
        if address not in listening:
            yield f"{peer}: nothing in the pod listens on {address}"
        return
    services = [item for item in of_kind(objects, "Service") if item["metadata"]["name"] == host]
    if not services:
        yield f"{peer}: there is no Service {host}"
    elif port not in {entry["port"] for entry in services[0]["spec"]["ports"]}:
        yield f"{peer}: Service {host} has no port {port}"
