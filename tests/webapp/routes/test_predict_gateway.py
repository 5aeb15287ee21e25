"""``/api/predict/<service>/<path>`` without ``--async``: the path itself, under another name."""

from typing import Any

import pytest

from tests.webapp.conftest import Builder


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/sdapi/v1/options"),
        ("GET", "/sdapi/v1/nothing"),
        ("POST", "/sdapi/v1/options"),
        ("GET", "/"),
    ],
)
def test_gateway_answers_as_the_path_itself(build: Builder, method: str, path: str) -> None:
    client = build(service_name="sd.api").client()
    body = {} if method == "POST" else None
    direct = client.open(path, method=method, json=body)
    answer = client.open(f"/api/predict/sd.api{path}", method=method, json=body)
    assert (answer.status_code, answer.data) == (direct.status_code, direct.data)


def test_drawing_through_the_gateway_waits_for_the_picture(build: Builder) -> None:
    answer = build().client().post("/api/predict/easel/sdapi/v1/txt2img", json={"prompt": "a"})
    assert answer.status_code == 200
    assert len(answer.get_json()["images"]) == 1


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/api/predict/nobody/sdapi/v1/options", "Known: easel"),
        ("/api/predict/easel/api/predict/easel/sdapi/v1/options", "no such path"),
        ("/api/predict/easelot", "Known: easel"),
    ],
)
def test_unknown_service_is_told_the_known_one(house: Any, path: str, words: str) -> None:
    answer = house.client().get(path)
    assert answer.status_code == 404
    assert words in answer.text


def test_gateway_asks_for_the_same_credentials(guarded_house: Any) -> None:
    path = "/api/predict/easel/sdapi/v1/options"
    assert guarded_house.client().get(path).status_code == 401
    assert guarded_house.client(authorization="s3cret-token").get(path).status_code == 200
