"""A connection to a cluster, from a kubeconfig file or from within a pod."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import yaml
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, ApiException, AppsV1Api, Configuration, CoreV1Api

from spiral.kubernetes.errors import ClusterError, explain_refusal, explain_silence

NAMESPACE = "spiral"
"""The namespace in which the manifests put a run."""
ANSWER_S = 30.0
"""Deadline of a request. The API server's own limit is 60 s, but nobody waits that long."""
IN_CLUSTER = "in-cluster"


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a cluster."""

    namespace: str = NAMESPACE
    context: str | None = None
    """Context of the kubeconfig; None: its current one."""
    kubeconfig: Path | None = None
    """Kubeconfig file. None: that of ``KUBECONFIG``, else ``~/.kube/config``, else the service account of this pod."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A connection to a cluster's API server, and a namespace."""

    api: ApiClient
    namespace: str
    context: str
    session: aiohttp.ClientSession
    """Session for websockets, which the client's generated methods can't do."""

    @property
    def server(self) -> str:
        """URL of the API server."""
        return str(self.api.configuration.host)

    @property
    def core(self) -> CoreV1Api:
        """Pods, claims, events, namespaces, nodes."""
        return CoreV1Api(self.api)

    @property
    def apps(self) -> AppsV1Api:
        """Deployments and StatefulSets."""
        return AppsV1Api(self.api)


@asynccontextmanager
async def connect(access: Access) -> AsyncIterator[Cluster]:
    """A cluster within the block. Refusals and lost connections in the block become ClusterError."""
    configuration, context = await _configure(access)
    server = str(configuration.host)
    try:
        api = ApiClient(configuration)
    except OSError as error:
        raise ClusterError(f"kubeconfig: a certificate of context {context} can't be read: {error}") from error
    # As the client does: proxies from the environment apply to all requests to the cluster.
    async with api, aiohttp.ClientSession(trust_env=True) as session:
        try:
            yield Cluster(api, access.namespace, context, session)
        except ApiException as error:
            raise explain_refusal(error, server, access.namespace) from error
        except (TimeoutError, aiohttp.ClientError) as error:
            raise explain_silence(error, server, context) from error


async def _configure(access: Access) -> tuple[Configuration, str]:
    """The client's configuration and the name of its context."""
    configuration = Configuration()
    files = _kubeconfig_files(access)
    if not files:
        return _from_pod(access, configuration)
    try:
        contexts, current = config.list_kube_config_contexts(os.pathsep.join(map(str, files)))
    except (config.ConfigException, yaml.YAMLError, OSError, TypeError, AttributeError) as error:
        raise ClusterError(
            f"kubeconfig: {', '.join(map(str, files))} can't be used: {' '.join(str(error).split())}"
        ) from error
    names = [str(context["name"]) for context in contexts]
    if access.context is not None and access.context not in names:
        raise ClusterError(f'context: "{access.context}" is unknown; known: {", ".join(names) or "none"}')
    context = access.context or str(current["name"])
    try:
        await config.load_kube_config(
            os.pathsep.join(map(str, files)), context=context, client_configuration=configuration
        )
    except (config.ConfigException, OSError) as error:
        raise ClusterError(f"kubeconfig: context {context} can't be used: {' '.join(str(error).split())}") from error
    return configuration, context


def _kubeconfig_files(access: Access) -> list[Path]:
    """The files to read; ClusterError if one that was named does not exist."""
    if access.kubeconfig is not None:
        if not access.kubeconfig.is_file():
            raise ClusterError(f"kubeconfig: there is no file {access.kubeconfig}")
        return [access.kubeconfig]
    named = [Path(name).expanduser() for name in os.environ.get("KUBECONFIG", "").split(os.pathsep) if name]
    if named:
        found = [path for path in named if path.is_file()]
        if not found:
            raise ClusterError(f"kubeconfig: KUBECONFIG names {', '.join(map(str, named))}, which is not there")
        return found
    usual = Path("~/.kube/config").expanduser()
    return [usual] if usual.is_file() else []


def _from_pod(access: Access, configuration: Configuration) -> tuple[Configuration, str]:
    """The configuration of the pod's service account, if this process runs in a pod."""
    try:
        config.load_incluster_config(configuration)
    except config.ConfigException as error:
        raise ClusterError(
            "no cluster is known: there is no ~/.kube/config; set KUBECONFIG, or name a file with --kubeconfig"
        ) from error
    if access.context is not None:
        raise ClusterError(f'context: "{access.context}" is unknown; this pod knows its own cluster only')
    return configuration, IN_CLUSTER
