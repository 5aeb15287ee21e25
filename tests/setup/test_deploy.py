"""What deploy/ shows says the same as the flags."""

import shlex
from pathlib import Path
from typing import Any

import pytest

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")

KEDA = Path(__file__).resolve().parents[2] / "deploy" / "keda"


def read(name: str) -> dict[str, Any]:
    text = (KEDA / name).read_text(encoding="utf-8")
    return {"first line": text.splitlines()[0], **yaml.safe_load(text)}


def test_the_scaled_object_says_what_its_first_line_says_in_flags() -> None:
    scaled = read("scaled-workers.yaml")
    words = shlex.split(scaled["first line"].removeprefix("#").partition(",")[0])
    flags = dict(zip(words[::2], map(int, words[1::2]), strict=True))
    spec = scaled["spec"]
    assert flags == {
        "--workers-min": spec["minReplicaCount"],
        "--workers-max": spec["maxReplicaCount"],
        "--idle-seconds": spec["cooldownPeriod"],
    }


def test_workers_scale_to_zero_by_lag_alone() -> None:
    (trigger,) = read("scaled-workers.yaml")["spec"]["triggers"]
    assert trigger["type"] == "redis-streams"
    metadata = trigger["metadata"]
    assert {"address", "stream", "consumerGroup", "lagCount", "activationLagCount"} == set(metadata)
    assert all(isinstance(value, str) for value in metadata.values())  # as KEDA takes them


def test_the_scaled_deployment_lets_a_worker_end_its_job() -> None:
    deployment, scaled = read("workers.yaml"), read("scaled-workers.yaml")
    assert scaled["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert "replicas" not in deployment["spec"]  # KEDA's alone
    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > 30
