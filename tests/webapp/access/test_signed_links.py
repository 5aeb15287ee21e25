"""Signed links: one picture, for a time, for nobody in particular."""

import time
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask.testing import FlaskClient

from webapp.access.credentials import build_credentials
from webapp.access.scopes import AccessScope
from webapp.access.signed_urls import UrlSigner
from webapp.access.tokens import narrow_tokens
from webapp.settings.config import VENDOR_MOUNTS

TOKEN = "s3cret-token"
INNER = "outputs/txt2img-images/2026-01-02/a b.png"


@pytest.fixture
def house_with_picture(build: Any) -> Any:
    """A service with one picture, and one file that is none."""
    narrow = narrow_tokens(AccessScope.GENERATE, ["drawing-token"])
    house = build(build_credentials(TOKEN, narrow=narrow))
    for name in (INNER, "outputs/other.png", "config.json"):
        path = house.data_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"picture")
    return house


def ask_for_link(house: Any, path: str, **more: str) -> Any:
    """What the owner is answered who wants a link."""
    owner = house.client(authorization=TOKEN)
    return owner.get("/api/sign", query_string={"path": path, **more})


def parts(url: str) -> tuple[str, dict[str, str]]:
    """Path and query of a link."""
    split = urlsplit(url)
    return split.path, dict(parse_qsl(split.query))


def bare(house: Any) -> FlaskClient:
    """A client without a credential."""
    return house.client()


@pytest.mark.parametrize("path", [INNER, f"{VENDOR_MOUNTS[0]}/{INNER}"])
def test_a_link_shows_its_picture_to_everybody(house_with_picture: Any, path: str) -> None:
    answer = ask_for_link(house_with_picture, path).get_json()
    assert 3000 < answer["expires"] - time.time() <= 3601
    assert bare(house_with_picture).get(answer["url"]).data == b"picture"
    ranged = bare(house_with_picture).get(answer["url"], headers={"Range": "bytes=0-2"})
    assert (ranged.status_code, ranged.data) == (206, b"pic")
    assert "private" in ranged.headers["Cache-Control"]


def test_the_image_url_itself_takes_the_query(house_with_picture: Any) -> None:
    url = f"{VENDOR_MOUNTS[0]}/{INNER}"
    _, query = parts(ask_for_link(house_with_picture, url).get_json()["url"])
    assert bare(house_with_picture).get(url, query_string=query).status_code == 200
    assert bare(house_with_picture).get(url).status_code == 401


def test_changed_links_are_refused(house_with_picture: Any) -> None:
    path, query = parts(ask_for_link(house_with_picture, INNER).get_json()["url"])
    client = bare(house_with_picture)
    assert client.get("/file=outputs/other.png", query_string=query).status_code == 403
    later = {**query, "expires": str(int(query["expires"]) + 1)}
    turned = query["signature"][::-1]
    for wrong in (later, {**query, "signature": turned}, {**query, "signature": ""},
                  {**query, "signature": "ß"}, {**query, "expires": "x"},
                  {**query, "expires": "9" * 4000}, {"signature": query["signature"]}):  # fmt: skip
        assert client.get(path, query_string=wrong).status_code == 403, wrong
    assert client.get(path, query_string={"expires": query["expires"]}).status_code == 401
    assert client.get(path, query_string=query).status_code == 200


def test_late_links_are_refused(house_with_picture: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    url = ask_for_link(house_with_picture, INNER, seconds="60").get_json()["url"]
    assert bare(house_with_picture).get(url).status_code == 200
    now = time.time()
    monkeypatch.setattr("webapp.access.signed_urls.time.time", lambda: now + 61)
    assert bare(house_with_picture).get(url).status_code == 403


def test_a_link_opens_nothing_else(house_with_picture: Any) -> None:
    _, query = parts(ask_for_link(house_with_picture, INNER).get_json()["url"])
    for path in ("/sdapi/v1/options", "/api/sign", "/file=config.json", "/"):
        assert bare(house_with_picture).get(path, query_string=query).status_code in (401, 403)


def test_only_what_may_be_read_is_signed(house_with_picture: Any) -> None:
    for path in ("config.json", "outputs/none.png", "/etc/passwd", "../x.png", ""):
        assert ask_for_link(house_with_picture, path).status_code in (400, 404), path
    for seconds in ("0", "-1", "x", str(8 * 24 * 3600), "٣"):
        assert ask_for_link(house_with_picture, INNER, seconds=seconds).status_code == 422
    drawer = house_with_picture.client(authorization="drawing-token")
    assert drawer.get("/api/sign", query_string={"path": INNER}).status_code == 403


def test_another_secret_signs_otherwise() -> None:
    url, expires = UrlSigner(b"one").sign("a.png")
    _, query = parts(url)
    assert UrlSigner(b"one").verify("a.png", str(expires), query["signature"])
    assert not UrlSigner(b"two").verify("a.png", str(expires), query["signature"])
    assert not UrlSigner(b"one").verify("/a.png", str(expires), query["signature"])


def test_links_given_out_by_earlier_versions_stay_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    signature = "9a7edec35597c4a4856cafe2d4234cb93a70f16a3e6984fc85d84ed0cd3a5b8b"
    monkeypatch.setattr("webapp.access.signed_urls.time.time", lambda: 1_700_000_000.0)
    signer = UrlSigner(b"a secret of the service")
    assert signer.verify("outputs/ä b.png", "1700003600", signature)
    assert signer.sign("outputs/ä b.png", 3600)[0].endswith(f"1700003600&signature={signature}")
    assert not signer.verify("outputs/ä b.png", "1700003601", signature)
    assert not signer.verify("outputs/ä b.png", "1700003600", signature.upper())
