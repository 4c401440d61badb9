"""Turns a cluster's refusals, and an unreachable cluster, into one sentence each."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from typing import Any

import aiohttp
from kubernetes.aio.client import ApiException


class ClusterError(ValueError):
    """The cluster can't do what was asked; the message says why and what was expected."""


class TransferError(OSError):
    """A connection into a pod ended before its work was done; no partial file is left under its final name."""


def status_of(error: ApiException) -> dict[str, Any]:
    """The ``Status`` object of a refusal; empty if it has none (a proxy in between, an old server)."""
    try:
        status = json.loads(error.body or "")
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}


def explain_refusal(error: ApiException, server: str, namespace: str) -> ClusterError:
    """The sentence for an unsuccessful answer of the API server."""
    status = status_of(error)
    message = str(status.get("message") or error.reason or "no reason given").strip()
    details = status.get("details") or {}
    if error.status == 401:
        text = f"the cluster at {server} does not know you (401); log in to it again, or choose another with --context"
    elif error.status == 403:
        text = f"not allowed (403): {message}; ask for that right: `spiral k8s doctor` lists every right that you need"
    elif error.status == 404 and details.get("kind") == "namespaces":
        text = missing_namespace(namespace)
    elif error.status == 404 and details.get("name"):
        kind = singular(str(details.get("kind", "object")))
        text = (
            f'there is no {kind} "{details["name"]}" in namespace "{namespace}"; '
            "`kubectl apply -k k8s/` makes what a run needs, --namespace names another place"
        )
    else:
        text = f"the cluster at {server} refuses ({error.status}): {message}"
    return ClusterError(text)


def explain_silence(error: Exception, server: str, context: str) -> ClusterError:
    """The sentence for a server that could not be reached."""
    if isinstance(error, (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError)):
        why = f"its certificate is not accepted: {error}"
    elif isinstance(error, asyncio.TimeoutError):
        why = "no answer in time"
    elif isinstance(error, aiohttp.ClientConnectorError):
        # Of several addresses that were tried, the error's text lists them all; its number says what was wrong.
        why = os.strerror(error.os_error.errno) if error.os_error.errno else str(error.os_error)
    else:
        why = str(error) or type(error).__name__
    return ClusterError(
        f"the cluster at {server} can't be reached (context {context}): {why}; "
        "is it up, and is it the one you mean? --context chooses another"
    )


def missing_namespace(namespace: str) -> str:
    """The sentence for a namespace that does not exist."""
    return (
        f'there is no namespace "{namespace}" in this cluster; `kubectl apply -k k8s/` makes "spiral", '
        "--namespace names another"
    )


def singular(kind: str) -> str:
    """The singular of a kind such as ``deployments``, in lower case."""
    kind = kind.lower()
    return kind[:-1] if kind.endswith("s") else kind
