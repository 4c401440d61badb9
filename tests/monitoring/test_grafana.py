"""What Grafana is told: a Prometheus that there is, and dashboards at places where they are mounted."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml

from tests.k8s.static.combinations import Object
from tests.k8s.static.conftest import Rendered
from tests.k8s.static.objects import of_kind, only
from tests.monitoring.written import COMPONENTS, DASHBOARDS, RATE_INTERVAL

CONFIG = COMPONENTS / "monitoring" / "config"


@pytest.fixture
def objects(rendered: Rendered) -> list[Object]:
    return rendered("base + monitoring")


def files(objects: list[Object]) -> dict[str, str]:
    """Path in Grafana's container → text, of all that is mounted from ConfigMaps."""
    spec = only(objects, "Deployment", "grafana")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    volumes = {volume["name"]: volume["configMap"] for volume in spec["volumes"] if "configMap" in volume}
    found = {}
    for mount in container["volumeMounts"]:
        if mount["name"] in volumes:
            source = volumes[mount["name"]]
            data = only(objects, "ConfigMap", source["name"])["data"]
            items = source.get("items", [{"key": key, "path": key} for key in data])
            found |= {f"{mount['mountPath']}/{item['path']}": data[item["key"]] for item in items}
    return found


def provisioned(objects: list[Object], what: str) -> Any:
    """The only file of one kind of provisioning, where Grafana looks for it."""
    (text,) = [t for path, t in files(objects).items() if path.startswith(f"/etc/grafana/provisioning/{what}/")]
    return yaml.safe_load(text)


def test_its_source_is_the_prometheus_of_the_component(objects: list[Object]) -> None:
    (source,) = provisioned(objects, "datasources")["datasources"]
    service = only(objects, "Service", "prometheus")
    assert source["url"] == f"http://prometheus:{service['spec']['ports'][0]['port']}"
    assert source["isDefault"] is True
    interval = yaml.safe_load((CONFIG / "prometheus.yml").read_text())["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == interval
    assert RATE_INTERVAL == "1m"
    assert interval == "15s", "Grafana's rates reach over four of them"


def test_all_dashboards_lie_where_it_looks_for_them(objects: list[Object]) -> None:
    (provider,) = provisioned(objects, "dashboards")["providers"]
    path = provider["options"]["path"]
    found = {PurePosixPath(p).name: text for p, text in files(objects).items() if p.startswith(f"{path}/")}
    assert {name: json.loads(text) for name, text in found.items()} == {
        file.name: json.loads(file.read_text()) for file in DASHBOARDS
    }


def test_it_opens_with_the_overview(objects: list[Object]) -> None:
    (container,) = only(objects, "Deployment", "grafana")["spec"]["template"]["spec"]["containers"]
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    home = environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert json.loads(files(objects)[home])["title"] == "Run overview"


def test_nobody_can_log_in_or_change_anything(objects: list[Object]) -> None:
    (container,) = only(objects, "Deployment", "grafana")["spec"]["template"]["spec"]["containers"]
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    (provider,) = provisioned(objects, "dashboards")["providers"]
    assert provider["allowUiUpdates"] is False
    assert not of_kind(objects, "Secret")
