"""Moves checkpoints out of the cluster and back into it.

A pull makes a run's directory for `spiral paint`, `eval` and `train`. A push makes the newest checkpoint of a service
that is not running: a running one reads its checkpoints only at its start, and its own next one would be newer. Both
ways a checkpoint is written aside, compared with its manifest's SHA-256, and renamed.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from spiral.configuration.changes import fixed_change
from spiral.configuration.files import load_config, parse_config
from spiral.configuration.schema import RunConfig
from spiral.kubernetes.cluster import Cluster
from spiral.kubernetes.errors import ClusterError, TransferError
from spiral.kubernetes.listing import wait_until
from spiral.kubernetes.run_volume import RunVolume, open_claim, open_run_volume
from spiral.kubernetes.sockets import CommandError
from spiral.kubernetes.transfers import checksums, fetch_file, fetch_folder, list_names, remove, rename, send_folder
from spiral.kubernetes.workloads import OURS, read_parts, read_workload, set_replicas
from spiral.outputs import refuse_to_overwrite, remember
from spiral.runs.directory import Run
from spiral.runs.manifests import CHECKPOINT_NAME, MANIFEST, checkpoints_in, read_verified
from spiral.values.atomic_file import atomic_write
from spiral.wire.edges import Service

KEEPERS: tuple[Service, ...] = ("learner", "discriminator")
"""The services that have checkpoints; a run resumes from both."""
TRIES = 3
"""The service removes its oldest checkpoint when it writes a new one; if it vanishes midway, the next is fetched."""
SPOOL_BYTES = 64 << 20
"""Archives up to this size pass through memory, larger ones through a temporary file."""
STOP_S = 240.0
"""The learner has 180 s for its last checkpoint; a slow node adds to it."""
BESIDE = ("history.jsonl", "engine.json")
"""Files of the learner's run directory that belong to a run beside its checkpoints."""

Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Found:
    """A checkpoint on this machine whose files match its manifest."""

    path: Path
    sha256: dict[str, str]
    size_bytes: int

    @property
    def number(self) -> int:
        """Its number: the higher, the newer."""
        return int(self.path.name[-8:])


def newest_here(folder: Path) -> Found:
    """The newest checkpoint of a folder, verified; ValueError if there is none or it is damaged."""
    there = checkpoints_in(folder) if folder.is_dir() else []
    if not there:
        raise ValueError(f"checkpoint: there is none in {folder}")
    return verify(there[-1])


def verify(path: Path) -> Found:
    """A checkpoint whose files match its manifest; ValueError that says what does not."""
    try:
        contents = read_verified(path)
        contents[MANIFEST] = (path / MANIFEST).read_bytes()
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise ValueError(f"checkpoint: {path} is damaged: {error}") from error
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    return Found(path, sums, sum(map(len, contents.values())))


async def pull(cluster: Cluster, run: Run, services: Iterable[Service], say: Say, overwrite: bool = False) -> None:
    """Fetch the newest checkpoint of each service into a local run's directory, with the other files of a run.

    ValueError if the run's files there were not pulled, or the run has learned here since, unless ``overwrite``.
    """
    if pid := run.trainer():
        raise ValueError(f'run: "{run.name}" is in use by process {pid}; stop it, or choose another name with --run')
    refuse_to_overwrite([run.config_file, *(run.path / name for name in BESIDE)], overwrite, "run")
    for service in services:
        async with open_run_volume(cluster, service) as volume:
            found = await _pull_newest(cluster, volume, service, run.checkpoints(service))
            beside = {name: await fetch_file(cluster, volume, name) for name in BESIDE} if service == "learner" else {}
        config = (found.path / "config.yaml").read_bytes()
        for name, content in (beside | {run.config_file.name: config}).items():
            if content and (service == "learner" or not run.exists):
                with atomic_write(run.path / name) as aside:
                    aside.write_bytes(content)
                remember([run.path / name])
        say(f"{service}: {found.path.name}, {found.size_bytes / 2**20:.1f} MiB, verified, is in {found.path}")


async def _pull_newest(cluster: Cluster, volume: RunVolume, service: Service, into: Path) -> Found:
    remote = f"checkpoints/{service}"
    problem: Exception = ClusterError("")
    for _ in range(TRIES):
        names = await _there(cluster, volume, remote)
        if not names:
            raise ClusterError(
                f"the {service} has written no checkpoint yet; the first comes after learner.checkpoint_s seconds"
            )
        final = into / names[-1]
        into.mkdir(parents=True, exist_ok=True)
        aside = into / names[-1].replace("checkpoint-", "writing-")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        try:
            with tempfile.SpooledTemporaryFile(SPOOL_BYTES) as spool:
                await fetch_folder(cluster, volume, f"{remote}/{names[-1]}", aside, spool)
            pulled = verify(aside)
            return _settle(pulled, final)
        except CommandError as error:
            problem = error  # it vanished midway: there is a newer one
        except ValueError as error:
            problem = TransferError(f"{service}: {names[-1]} did not arrive as it was written: {error}")
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    raise problem


async def _there(cluster: Cluster, volume: RunVolume, remote: str) -> list[str]:
    """Names of the checkpoints in a folder of the run directory, oldest first; a plain file is not one."""
    folders = [name[:-1] for name in await list_names(cluster, volume, remote) if name.endswith("/")]
    return [name for name in folders if CHECKPOINT_NAME.fullmatch(name)]


def _settle(pulled: Found, final: Path) -> Found:
    """Give a verified checkpoint its final name; ValueError if another one has it."""
    if not final.exists():
        pulled.path.rename(final)
    elif verify(final).sha256 != pulled.sha256:
        raise FileExistsError(
            f"{final} is another checkpoint than the cluster's of that number; pull into a run of its own with --run"
        )
    return Found(final, pulled.sha256, pulled.size_bytes)


async def push(cluster: Cluster, run: Run, services: Iterable[Service], stop: bool, say: Say) -> None:
    """Make the newest checkpoints of a local run the newest ones in the cluster.

    Refused while a service runs, unless ``stop``: then the service is stopped, which writes its last checkpoint, and
    started again, whatever becomes of the push. Nothing in the cluster is removed or overwritten.
    """
    found = {service: newest_here(run.checkpoints(service)) for service in services}
    wanted = {service: await _replicas(cluster, service) for service in found}
    for service, checkpoint in found.items():
        await _refuse_other_kind(cluster, service, load_config(str(checkpoint.path / "config.yaml")))
    running = [service for service, number in wanted.items() if number]
    if running and not stop:
        each = " ".join(f"{service}=0" for service in running)
        raise ClusterError(
            f"running: {', '.join(running)}; a checkpoint is only read at the start. --stop stops them first and "
            f"starts them again, or stop them yourself: spiral k8s scale {each}"
        )
    try:
        for service in running:
            say(f"{service}: stopping, with a last checkpoint of its own")
            await set_replicas(cluster, service, 0)
        for service, checkpoint in found.items():
            await _until_stopped(cluster, service)
            async with open_claim(cluster, service, []) as volume:
                name = await _push_one(cluster, volume, service, checkpoint)
            say(f"{service}: {checkpoint.path.name} is {name} in the cluster, verified there")
    finally:
        for service in running:
            await set_replicas(cluster, service, wanted[service])
            say(f"{service}: started again")


async def _push_one(cluster: Cluster, volume: RunVolume, service: Service, checkpoint: Found) -> str:
    """Write aside, verify and rename. Returns the new name."""
    remote = f"checkpoints/{service}"
    names = [name.removesuffix("/") for name in await list_names(cluster, volume, remote)]
    there = [name for name in names if CHECKPOINT_NAME.fullmatch(name)]  # a file's name is taken, too
    number = 1 + max((int(name[-8:]) for name in there), default=0)
    # A name that the service takes for a write of its own that was cut off, and removes at its start.
    aside, final = f"{remote}/writing-{number:08d}", f"{remote}/checkpoint-{number:08d}"
    with tempfile.SpooledTemporaryFile(SPOOL_BYTES) as spool:
        await send_folder(cluster, volume, checkpoint.path, aside, spool)
    arrived = await checksums(cluster, volume, aside)
    if arrived != checkpoint.sha256:
        wrong = sorted(name for name in arrived | checkpoint.sha256 if arrived.get(name) != checkpoint.sha256.get(name))
        await remove(cluster, volume, aside)
        raise TransferError(f"{service}: {', '.join(wrong)} did not arrive as sent; nothing was changed, try again")
    if await _replicas(cluster, service):
        await remove(cluster, volume, aside)
        raise ClusterError(f"the {service} was started while its checkpoint was sent; nothing was changed")
    await rename(cluster, volume, aside, final)
    return Path(final).name


async def _replicas(cluster: Cluster, service: Service) -> int:
    number = (await read_workload(cluster, service)).spec.replicas
    return 1 if number is None else int(number)


async def _until_stopped(cluster: Cluster, service: Service) -> None:
    selector = f"{OURS},app.kubernetes.io/name={service}"
    call = cluster.core.list_namespaced_pod
    if not await wait_until(lambda pods: not pods, STOP_S, call, cluster.namespace, label_selector=selector):
        left = ", ".join(part.name for part in await read_parts(cluster, [service]))
        raise ClusterError(f"pod {left} does not end; `spiral k8s doctor` may say why")


async def _refuse_other_kind(cluster: Cluster, service: Service, theirs: RunConfig) -> None:
    """Raise ValueError if the checkpoint does not fit what the cluster's run learns."""
    ours = await read_run_config(cluster, service)
    if ours is None:
        return
    change = fixed_change(ours, theirs)
    if change is not None:
        raise ValueError(
            f"{change.key}: the checkpoint was made with {change.after!r}, the cluster's run has "
            f"{change.before!r}; apply a run.yaml that fits it first"
        )


async def read_run_config(cluster: Cluster, service: Service) -> RunConfig | None:
    """The configuration of the cluster's run, from the ConfigMap that the service mounts; None if it mounts none.

    ClusterError if its content is not a configuration.
    """
    volumes = (await read_workload(cluster, service)).spec.template.spec.volumes or []
    for volume in volumes:
        if volume.config_map is None:
            continue
        data = (await cluster.core.read_namespaced_config_map(volume.config_map.name, cluster.namespace)).data or {}
        if "run.yaml" in data:
            tree = yaml.safe_load(data["run.yaml"])
            try:
                return parse_config(tree if isinstance(tree, dict) else {}, f"ConfigMap {volume.config_map.name}")
            except ValueError as error:
                raise ClusterError(str(error)) from error
    return None
