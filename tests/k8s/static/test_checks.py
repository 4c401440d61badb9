"""The checks themselves: each is shown a mistake and has to find it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import kubernetes_validate
import pytest

from tests.k8s.static.combinations import ROOT, Object
from tests.k8s.static.conftest import Rendered
from tests.k8s.static.objects import name, only, pods
from tests.k8s.static.pod_security import carelessness, violations
from tests.k8s.static.references import ambiguous, dangling
from tests.k8s.static.settings import mounted, wrong
from tests.k8s.static.stability import canonical, rewritten

Break = Callable[[list[Object]], object]


def learner(objects: list[Object]) -> Object:
    spec: Object = only(objects, "StatefulSet", "learner")["spec"]["template"]["spec"]
    return spec


def container(objects: list[Object]) -> Object:
    found: Object = learner(objects)["containers"][0]
    return found


def variable(objects: list[Object], called: str) -> Object:
    found: Object
    (found,) = [entry for entry in container(objects)["env"] if entry["name"] == called]
    return found


def claim(objects: list[Object]) -> Object:
    found: Object = only(objects, "StatefulSet", "learner")["spec"]["volumeClaimTemplates"][0]
    return found


def actor_id(objects: list[Object]) -> Object:
    (actor,) = [pod for pod in pods(objects) if pod.name == "Deployment/actor"]
    found: Object
    (found,) = [entry for entry in actor.containers[0]["env"] if entry["name"] == "SPIRAL_ACTOR_ID"]
    return found


def say(objects: list[Object], secrets: Path, scratch: Path) -> Iterator[str]:
    """What all checks have to say."""
    for pod in pods(objects):
        yield from violations(pod)
        yield from carelessness(pod, objects)
        yield from wrong(pod, objects, mounted(pod, objects, secrets, scratch))
    yield from dangling(objects)
    yield from ambiguous(objects)
    for item in objects:
        yield from (f"{name(item)}: {sentence}" for sentence in rewritten(item))


BREAKS: list[tuple[Break, str]] = [
    (lambda o: learner(o).update(hostNetwork=True), "hostNetwork is true"),
    (lambda o: learner(o)["volumes"].append({"name": "x", "hostPath": {"path": "/"}}), "volume x is a hostPath"),
    (lambda o: container(o).pop("securityContext"), "allowPrivilegeEscalation is not false"),
    (lambda o: container(o)["securityContext"].update(runAsUser=0), "runAsUser is 0"),
    (lambda o: learner(o)["securityContext"].pop("seccompProfile"), "seccompProfile is missing"),
    (lambda o: container(o)["securityContext"].pop("readOnlyRootFilesystem"), "readOnlyRootFilesystem is not true"),
    (lambda o: learner(o).pop("enableServiceLinks"), "enableServiceLinks is not false"),
    (lambda o: learner(o).pop("automountServiceAccountToken"), "the token of an account without rights"),
    (lambda o: container(o)["resources"]["limits"].pop("memory"), "no memory limit"),
    (lambda o: learner(o).update(serviceAccountName="nobody"), "there is no ServiceAccount nobody"),
    (lambda o: learner(o)["volumes"][0]["configMap"].update(name="run"), "there is no ConfigMap or Secret run"),
    (lambda o: container(o)["volumeMounts"][0].update(name="lost"), "there is no volume lost"),
    (lambda o: container(o)["livenessProbe"]["grpc"].update(port=1), "livenessProbe asks port 1"),
    (lambda o: container(o)["ports"].pop(), "has no port metrics"),
    (lambda o: only(o, "Service", "learner")["spec"]["selector"].update(x="y"), "its selector chooses no pod"),
    (
        lambda o: only(o, "PodDisruptionBudget", "actor")["spec"]["selector"]["matchLabels"].update(x="y"),
        "chooses no pod",
    ),
    (lambda o: only(o, "StatefulSet", "learner")["spec"].update(serviceName="lost"), "there is no Service lost"),
    (lambda o: variable(o, "SPIRAL_LISTEN").update(name="SPIRAL_LISTENS"), "SPIRAL_LISTENS is no setting"),
    (lambda o: variable(o, "SPIRAL_LISTEN").update(value="0.0.0.0:1"), "it listens on"),
    (lambda o: variable(o, "SPIRAL_GRACE_S").update(value="175"), "of the pod's grace period"),
    (lambda o: variable(o, "SPIRAL_GRACE_S").update(value="soon"), "grace_s: input should be a valid number"),
    (lambda o: variable(o, "SPIRAL_RUN_DIR").update(value="/tmp/run"), "is on no claim"),
    (lambda o: variable(o, "SPIRAL_RENDERER").update(value="dns:///painter:50051"), "there is no Service painter"),
    (lambda o: variable(o, "SPIRAL_RENDERER").update(value="dns:///renderer:50052"), "has no port 50052"),
    (lambda o: container(o)["resources"]["requests"].pop("cpu"), "there is no requests.cpu"),
    (lambda o: container(o)["resources"]["limits"].update(memory="2048Mi"), "comes back as '2Gi'"),
    (lambda o: container(o)["env"].append({"name": "OMP_NUM_THREADS", "value": ""}), "'' does not come back"),
    (lambda o: claim(o).pop("kind"), "claim template state: kind is filled in by the server"),
    (lambda o: claim(o)["spec"].pop("volumeMode"), "volumeMode is filled in by the server"),
    (
        lambda o: actor_id(o)["valueFrom"]["fieldRef"].pop("apiVersion"),
        "valueFrom.fieldRef: apiVersion is filled in",
    ),
    (lambda o: o.append(only(o, "Service", "learner")), "Service/learner is there twice"),
]


@pytest.mark.parametrize(("broken", "sentence"), BREAKS, ids=[sentence for _, sentence in BREAKS])
def test_a_mistake_is_found(rendered: Rendered, secrets: Path, tmp_path: Path, broken: Break, sentence: str) -> None:
    objects = rendered("root")
    broken(objects)
    try:
        said = list(say(objects, secrets, tmp_path))
    except (KeyError, ValueError) as error:  # what is missing can't be read further; the other checks name it
        said = [*dangling(objects), *(v for pod in pods(objects) for v in violations(pod)), str(error)]
    assert any(sentence in one for one in said), said


def test_nothing_is_found_where_nothing_is_wrong(rendered: Rendered, secrets: Path, tmp_path: Path) -> None:
    assert list(say(rendered("root"), secrets, tmp_path)) == []


def test_a_field_that_kubernetes_does_not_know_is_found(rendered: Rendered) -> None:
    deployment = only(rendered("root"), "Deployment", "actor")
    deployment["spec"]["template"]["spec"]["terminationGracePeriod"] = 45
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, "1.30", strict=True)


def test_yaml_in_bad_form_is_found(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("a:   1\n")
    done = subprocess.run(
        [sys.executable, "-m", "yamllint", "--strict", "-c", ROOT / ".yamllint.yaml", tmp_path],
        check=False,
        capture_output=True,
    )
    assert done.returncode != 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1000m", "1"),
        ("0.5", "500m"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("500m", "500m"),
        ("2Gi", "2Gi"),
        ("1", "1"),
    ],
)
def test_quantities_are_written_as_the_server_does(text: str, expected: str) -> None:
    assert canonical(text) == expected
