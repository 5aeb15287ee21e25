"""AUTOMATIC1111's recorded refusals, replayed: a 200 stays, a 4xx stays, a 500 becomes a 4xx."""

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.conftest import shared_folder
from tests.parity.service import Service

DIFFERS = {
    "options_bad_type": 422,  # AUTOMATIC1111 stores it, and cannot answer any more:
    "options_get_after_bad_type": 200,
    "cn_bad_model": 422,  # AUTOMATIC1111 swallows these and draws without the unit
    "cn_no_model": 422,
}
"""Other statuses than the recorded ones, each with its reason in docs/parity.md."""

OURS = ("code", "field", "values", "others")
"""What stands beside AUTOMATIC1111's keys."""


def recorded_errors() -> list[Any]:
    """The recordings of routes that are here, by name."""
    found = []
    for path in sorted((shared_folder() / "goldens/errors").glob("*.json")):
        golden = json.loads(path.read_text())
        found.append(pytest.param(golden, id=path.stem))
    return found or [pytest.param({}, marks=pytest.mark.skip("recordings are not here"))]


def expected_status(name: str, golden: dict[str, Any]) -> int:
    """The status that a recording asks for."""
    if name in DIFFERS:
        return DIFFERS[name]
    return 422 if golden["status"] == 500 else int(golden["status"])


def shape(body: Any) -> Any:
    """Keys and types of an answer, texts aside."""
    if isinstance(body, dict):
        return {key: shape(value) for key, value in body.items()}
    return type(body).__name__


def send(client: FlaskClient, request: dict[str, Any]) -> Any:
    """Replay one request."""
    body, raw = request.get("body"), request.get("raw")
    return client.open(
        request["path"],
        method=request["method"],
        data=raw if raw is not None else (json.dumps(body) if body is not None else None),
        content_type="application/json",
    )


@pytest.mark.parametrize("golden", recorded_errors())
def test_recorded_errors(
    service: Service, golden: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id
    answer = send(service.client, golden["request"])
    assert answer.status_code == expected_status(name, golden), answer.text[:300]
    if name in DIFFERS:
        return
    ours, theirs = answer.get_json(), golden["body"]
    if answer.status_code < 400:
        assert keys(ours) == keys(theirs)
        return
    ours = {key: value for key, value in ours.items() if key not in OURS}
    if golden["status"] < 500:
        assert ours == theirs
    else:
        assert shape(ours) == shape(theirs)


def keys(body: Any) -> Any:
    """The keys of an answer; a null has none."""
    return sorted(body) if isinstance(body, dict) else body


@pytest.mark.parametrize("name", ["batch2_iter2", "seed_big", "subseed_03", "styles_missing"])
def test_recorded_requests_are_read(house: Any, goldens: Path, name: str) -> None:
    request = json.loads((goldens / f"cases/{name}.request.json").read_text())
    golden = json.loads((goldens / f"cases/{name}.response.json").read_text())
    answer = house.txt2img(request["body"])
    assert answer.status_code == 200
    assert answer.get_json()["parameters"] == golden["body"]["parameters"]
    ours, theirs = json.loads(answer.get_json()["info"]), json.loads(golden["body"]["info"])
    assert list(ours) == list(theirs)
    for key in ("all_seeds", "all_subseeds", "subseed_strength", "width", "sampler_name", "steps"):
        assert ours[key] == theirs[key]
