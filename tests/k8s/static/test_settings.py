"""Whatever a service can be told, a manifest can tell it by a variable."""

from __future__ import annotations

from pathlib import Path

import pytest

from spiral.serving.options import parse
from tests.k8s.static.settings import SCHEMAS

SAMPLES = {
    "listen": "0.0.0.0:1",
    "health": "0.0.0.0:2",
    "metrics": "0.0.0.0:3",
    "log_level": "debug",
    "grace_s": "7.5",
    "parent_pipe": "0",
    "config": "mnist",
    "set": "learner.reuse=2\nseed=1",
    "renderer": "dns:///renderer:4",
    "learner": "learner:5",
    "learner_data": "learner:6",
    "discriminator": "discriminator:7",
    "max_streams": "3",
    "idle_s": "4.5",
    "work_s": "10.5",
    "threads": "2",
    "actor_id": "one",
    "stream_life_s": "5.5",
    "watchdog_s": "6.5",
    "deadline_s": "7.5",
    "precision": "fp32",
    "run_dir": "/var/lib/spiral/run",
    "limit_frames": "8",
    "limit_minutes": "9.5",
    "limit_from_s": "300.5",
    "schedule_from": "5000",
    "at_limit": "exit",
    "device": "cpu",
    "observation_shape": "32x32x1",
    "max_batch_bytes": "4096",
    "queue": "10",
    "tls_ca": "ca.crt",
    "tls_cert": "tls.crt",
    "tls_key": "tls.key",
    "curve_key": "curve.key_secret",
    "curve_peers": "peer",
}
"""A value for every setting that is none of the defaults; files are in the service's folder of Secrets."""


@pytest.mark.parametrize("service", SCHEMAS)
def test_every_setting_can_be_set_by_a_variable(service: str, secrets: Path) -> None:
    schema = SCHEMAS[service]
    texts = {name: SAMPLES[name] for name in schema.model_fields}
    texts |= {
        name: str(secrets / service / file) for name, file in texts.items() if name.startswith(("tls_", "curve_"))
    }
    if "curve_peers" in texts:
        (texts["curve_peers"],) = (str(path) for path in (secrets / service).glob("*.key") if path.name != "tls.key")
    options = parse(schema, service, [], {f"SPIRAL_{name.upper()}": text for name, text in texts.items()})
    defaults = schema()
    assert [name for name in texts if getattr(options, name) == getattr(defaults, name)] == []
    for name, text in texts.items():
        value = getattr(options, name)
        assert value == tuple(text.splitlines()) if name == "set" else str(value) == text, name


def test_there_is_no_sample_too_many() -> None:
    assert SAMPLES.keys() == {name for schema in SCHEMAS.values() for name in schema.model_fields}
