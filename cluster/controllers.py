"""What Deployments, StatefulSets and Jobs do: from what is wanted and what is there to pods made and deleted."""

from __future__ import annotations

import copy
import hashlib
import json
import random
from collections.abc import Callable, Sequence
from typing import Protocol

from cluster.manifests import Key, Object, Objects, count, key
from cluster.pod import Pod, Template

# Kubernetes' own letters for the random ends of names.
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


class Store(Protocol):
    """What a controller sees and does."""

    objects: Objects
    random: random.Random

    def owned(self, owner: Key) -> list[Pod]:
        """The pods of this owner that are not gone."""

    def create(self, template: Template) -> None:
        """Make a pod."""


def revision(template: Object) -> str:
    """A short name for a pod template; another template has another one."""
    text = json.dumps(template, sort_keys=True).encode()
    return "".join(_LETTERS[byte % len(_LETTERS)] for byte in hashlib.sha256(text).digest()[:10])


def reconcile(item: Object, store: Store, now_s: float) -> None:
    """Bring the pods of a workload one step closer to what it says; other objects need nothing."""
    controller: Callable[[Object, Store, float], None] | None = {
        "Deployment": _deployment,
        "StatefulSet": _stateful_set,
        "Job": _job,
    }.get(item["kind"])
    if controller:
        controller(item, store, now_s)


def wanted(item: Object) -> int:
    """How many pods a Deployment or StatefulSet asks for."""
    replicas = item["spec"].get("replicas")
    return 1 if replicas is None else int(replicas)


def ready(pods: Sequence[Pod]) -> list[Pod]:
    """The pods that are ready and not being deleted."""
    return [pod for pod in pods if pod.ready and not pod.deleted]


def _template(item: Object, name: str, labels: dict[str, str], ordinal: int | None = None) -> Template:
    pod = item["spec"]["template"]
    metadata = pod.get("metadata", {})
    return Template(
        name=name,
        owner=key(item),
        revision=revision(pod),
        spec=copy.deepcopy(pod["spec"]),
        labels={**metadata.get("labels", {}), **labels},
        annotations=dict(metadata.get("annotations", {})),
        ordinal=ordinal,
    )


def _deployment(item: Object, store: Store, now_s: float) -> None:
    """A rolling update: new pods within ``maxSurge``, old ones go when ``maxUnavailable`` allows, broken ones first."""
    total, current = wanted(item), revision(item["spec"]["template"])
    living = [pod for pod in store.owned(key(item)) if not pod.deleted]
    new = [pod for pod in living if pod.template.revision == current]
    old = [pod for pod in living if pod.template.revision != current]
    strategy = item["spec"].get("strategy", {})
    rolling = strategy.get("rollingUpdate") or {}
    surge = count(rolling.get("maxSurge", "25%"), total, up=True)
    unavailable = count(rolling.get("maxUnavailable", "25%"), total, up=False)
    if strategy.get("type") == "Recreate":
        surge, unavailable = 0, total
        if any(pod.template.revision != current for pod in store.owned(key(item))):
            for pod in old:
                pod.delete()
            return
    elif surge == unavailable == 0:
        unavailable = 1
    room = total + (surge if old else 0) - len(living)
    for _ in range(min(total - len(new), room)):
        ending = "".join(store.random.choice(_LETTERS) for _ in range(5))
        name = f"{item['metadata']['name']}-{current}-{ending}"
        store.create(_template(item, name, {"pod-template-hash": current}))
    # Kubernetes' order of who goes first: not ready before ready, younger before older.
    for pod in sorted(new, key=lambda pod: (pod.ready, -pod.created_s))[: max(0, len(new) - total)]:
        pod.delete()
    least = total - unavailable
    unready = [pod for pod in old if not pod.ready]
    cleaned = max(0, len(living) - least - sum(not pod.ready for pod in new))
    spare = max(0, len(ready(living)) - least)
    for pod in unready[:cleaned] + [pod for pod in old if pod.ready][:spare]:
        pod.delete()


def _stateful_set(item: Object, store: Store, now_s: float) -> None:
    """Pods with a number; one name is never there twice. OrderedReady waits for each before it goes on, whatever."""
    total, current = wanted(item), revision(item["spec"]["template"])
    pods = {pod.template.ordinal: pod for pod in store.owned(key(item)) if pod.template.ordinal is not None}
    ordered = item["spec"].get("podManagementPolicy", "OrderedReady") == "OrderedReady"
    for ordinal in range(total):
        pod = pods.get(ordinal)
        if pod is None or (pod.finished and not pod.deleted):
            if pod is None:
                _create_ordinal(item, store, ordinal)
            else:
                pod.delete()
            if ordered:
                return
        elif ordered and (not pod.ready or pod.deleted):
            return
    for ordinal in sorted((n for n in pods if n >= total), reverse=True):
        pods[ordinal].delete()
        if ordered:
            return
    if item["spec"].get("updateStrategy", {}).get("type", "RollingUpdate") != "RollingUpdate":
        return
    for ordinal in sorted(pods, reverse=True):
        pod = pods[ordinal]
        if pod.template.revision != current and not pod.deleted:
            pod.delete()
            return
        if not pod.ready or pod.deleted:
            return


def _create_ordinal(item: Object, store: Store, ordinal: int) -> None:
    name = f"{item['metadata']['name']}-{ordinal}"
    labels = {"statefulset.kubernetes.io/pod-name": name, "apps.kubernetes.io/pod-index": str(ordinal)}
    template = _template(item, name, labels, ordinal)
    template.spec["hostname"] = name
    template.spec["subdomain"] = item["spec"]["serviceName"]
    volumes = template.spec.setdefault("volumes", [])
    for claim in item["spec"].get("volumeClaimTemplates", []):
        claim_name = f"{claim['metadata']['name']}-{name}"
        which = Key("PersistentVolumeClaim", key(item).namespace, claim_name)
        if store.objects.get(which) is None:
            metadata = claim["metadata"] | {"name": claim_name, "namespace": which.namespace}
            store.objects.put({"kind": which.kind, "apiVersion": "v1", "metadata": metadata, "spec": claim["spec"]})
        volumes.append({"name": claim["metadata"]["name"], "persistentVolumeClaim": {"claimName": claim_name}})
    store.create(template)


def _job(item: Object, store: Store, now_s: float) -> None:
    """One pod at a time until one succeeds, or more than ``backoffLimit`` or a hopeless one have failed."""
    pods = store.owned(key(item))
    failed = [pod for pod in pods if pod.phase == "Failed"]
    if job_status(item, pods):
        return
    deadline_s = item["spec"].get("activeDeadlineSeconds")
    if deadline_s and pods and now_s - min(pod.created_s for pod in pods) > deadline_s:
        for pod in pods:
            pod.delete()
    elif len(failed) == len(pods):
        name = item["metadata"]["name"]
        ending = "".join(store.random.choice(_LETTERS) for _ in range(5))
        labels = {"batch.kubernetes.io/job-name": name, "job-name": name}
        store.create(_template(item, f"{name}-{ending}", labels))


def job_status(item: Object, pods: Sequence[Pod]) -> str:
    """``Complete``, ``Failed``, or empty while it goes on."""
    if any(pod.phase == "Succeeded" for pod in pods):
        return "Complete"
    failed = [pod for pod in pods if pod.phase == "Failed"]
    hopeless = any(_fails_job(rule, pod) for rule in _rules(item) for pod in failed)
    return "Failed" if hopeless or len(failed) > item["spec"].get("backoffLimit", 6) else ""


def _rules(item: Object) -> Sequence[Object]:
    rules: Sequence[Object] = item["spec"].get("podFailurePolicy", {}).get("rules", [])
    return rules


def _fails_job(rule: Object, pod: Pod) -> bool:
    """Whether a rule of the ``podFailurePolicy`` ends the whole Job over this pod."""
    codes = rule.get("onExitCodes")
    if rule["action"] != "FailJob" or codes is None:
        return False
    ends = [c.ended for c in pod.containers if codes.get("containerName") in {None, c.name} and c.ended]
    return any((end.code in codes["values"]) == (codes["operator"] == "In") for end in ends if end.code)
