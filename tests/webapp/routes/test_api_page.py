"""The page at ``/`` of a service that has none (``--nowebui``)."""

from typing import Any

import pytest

from webapp.access.credentials import build_credentials


@pytest.mark.parametrize(("accepted", "language"), [("de, en", "en"), ("zh-CN,zh", "zh-CN")])
def test_it_says_what_it_is_and_where_to_read_on(build: Any, accepted: str, language: str) -> None:
    client = build(web_ui=False).client()
    page = client.get("/", headers={"Accept-Language": accepted})
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert f'<html lang="{language}">' in page.text
    assert "API 版" in page.text
    assert "The API edition" in page.text
    assert "<script" not in page.text
    assert "<button" not in page.text
    assert "/api/predict" not in page.text
    for address in ("/docs", "/openapi.json"):
        assert f'href="{address}"' in page.text
        assert client.get(address).status_code == 200
    assert client.get("/assets/index.js").status_code == 404


def test_it_tells_of_the_queue_and_asks_for_a_credential(build: Any) -> None:
    house = build(build_credentials("s3cret-token"), web_ui=False, asynchronous=True)
    queue = f"/api/predict/{house.app.extensions['easel.services'].config.service_name}"
    assert house.client().get("/").status_code in (302, 303, 401)
    token = {"Authorization": "Bearer s3cret-token"}
    assert queue in house.client().get("/", headers=token).text


def test_the_login_page_keeps_its_switches(build: Any) -> None:
    page = build().client().get("/login").text
    assert 'id="language"' in page
    assert "<script>" in page
