"""Links for people without a credential: made, opened, over, revoked."""

import io
import re
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from webapp.access.credentials import build_credentials

TOKEN = "s3cret-token"


@pytest.fixture
def home(guarded_house: Any) -> Any:
    """A house with a token, and a folder of two things to share."""
    folder = guarded_house.data_dir / "outputs" / "week"
    (folder / "day").mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"letters")
    (folder / "day" / "b.png").write_bytes(b"\x89PNG picture")
    (guarded_house.data_dir / "outputs" / "other.txt").write_bytes(b"not shared")
    return guarded_house


def make(house: Any, path: str, **fields: Any) -> dict[str, Any]:
    answer = house.client(authorization=TOKEN).post(
        "/api/files/shares", json={"path": path, **fields}
    )
    assert answer.status_code == 200, answer.data
    return dict(answer.get_json())


def test_a_shared_file_is_downloaded_without_a_credential(home: Any) -> None:
    link = make(home, "/data/outputs/week/a.txt")
    assert re.fullmatch(r"/s/[\w-]{22}", link["url"])
    assert link["kind"] == "file"
    assert link["path"] == "/data/outputs/week/a.txt"
    stranger = home.client()
    page = stranger.get(link["url"])
    assert page.status_code == 200
    assert "a.txt" in page.text
    assert "7 B" in page.text
    assert "<script" not in page.text
    assert "outputs" not in page.text
    bytes_of = stranger.get(f"{link['url']}/content")
    assert bytes_of.data == b"letters"
    assert bytes_of.headers["Content-Disposition"].startswith("attachment")
    part = stranger.get(f"{link['url']}/content", headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.data) == (206, b"tte")
    for answer in (page, bytes_of, part):
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_a_shared_folder_lists_what_it_holds(home: Any) -> None:
    url = make(home, "/data/outputs/week")["url"]
    stranger = home.client()
    page = stranger.get(url).text
    assert "day/" in page
    assert "a.txt" in page
    assert "other.txt" not in page
    inner = stranger.get(f"{url}?path=day").text
    assert "b.png" in inner
    assert stranger.get(f"{url}/content?path=day/b.png").data == b"\x89PNG picture"
    assert stranger.get(f"{url}/content?path=day").status_code == 404


def test_a_shared_folder_is_downloaded_whole(home: Any) -> None:
    (home.data_dir / "outputs" / "week" / "link").symlink_to("/etc/passwd")
    url = make(home, "/data/outputs/week")["url"]
    assert f"{url}/archive" in home.client().get(url).text
    for path, names in (
        ("", {"week/a.txt", "week/day/", "week/day/b.png"}),
        ("day", {"day/b.png"}),
    ):
        answer = home.client().get(f"{url}/archive?path={path}")
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert int(answer.headers["Content-Length"]) == len(answer.data)
        with zipfile.ZipFile(io.BytesIO(answer.data)) as file:
            assert names <= set(file.namelist())
            assert not any("link" in name for name in file.namelist())
    single = make(home, "/data/outputs/week/a.txt")["url"]
    assert home.client().get(f"{single}/archive").status_code == 404
    assert home.client().get(f"{url}/archive?path=a.txt/..").status_code == 404


def test_a_picture_is_shown_and_nothing_else_is(home: Any) -> None:
    folder = home.data_dir / "outputs" / "week"
    (folder / "evil.svg").write_bytes(b"<svg><script>1</script></svg>")
    url = make(home, "/data/outputs/week")["url"]
    picture = home.client().get(f"{url}/content?path=day/b.png&inline=1")
    assert picture.content_type == "image/png"
    assert picture.headers["Content-Disposition"].startswith("inline")
    drawing = home.client().get(f"{url}/content?path=evil.svg&inline=1&type=image/svg%2Bxml")
    assert drawing.content_type == "application/octet-stream"
    assert drawing.headers["Content-Disposition"].startswith("attachment")


def test_the_page_speaks_the_browser_s_language(home: Any) -> None:
    url = make(home, "/data/outputs/week/a.txt")["url"]
    for said, word in (("zh-CN,zh;q=0.9", "下载"), ("fr", "Download"), ("en-GB", "Download")):
        assert word in home.client().get(url, headers={"Accept-Language": said}).text


def test_a_password_opens_a_share_for_one_browser(home: Any) -> None:
    link = make(home, "/data/outputs/week/a.txt", password="open sesame")
    assert link["password"] is True
    assert "open sesame" not in str(link)
    stranger = home.client()
    form = stranger.get(link["url"])
    assert 'type="password"' in form.text
    assert "a.txt" not in form.text
    assert stranger.get(f"{link['url']}/content").status_code == 404
    assert stranger.post(link["url"], data={"password": "wrong"}).status_code == 401
    right = stranger.post(link["url"], data={"password": "open sesame"})
    assert right.status_code == 303
    cookie = right.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert f"Path={link['url']}" in cookie
    assert stranger.get(f"{link['url']}/content").data == b"letters"
    assert home.client().get(f"{link['url']}/content").status_code == 404


def test_a_ticket_opens_no_other_share(home: Any) -> None:
    one = make(home, "/data/outputs/week/a.txt", password="one")
    two = make(home, "/data/outputs/other.txt", password="one")
    stranger = home.client()
    cookie = stranger.post(one["url"], data={"password": "one"}).headers["Set-Cookie"]
    value = cookie.partition("=")[2].partition(";")[0]
    stranger.set_cookie(f"share_{two['id']}", value, path="/")
    assert stranger.get(f"{two['url']}/content").status_code == 404
    assert stranger.get(f"{one['url']}/content").status_code == 200


def test_guessing_a_password_ends_soon(home: Any) -> None:
    url = make(home, "/data/outputs/week/a.txt", password="pw")["url"]
    answers = [home.client().post(url, data={"password": f"{n}"}).status_code for n in range(11)]
    assert answers == [401] * 10 + [429]
    assert home.client().post(url, data={"password": "pw"}).status_code == 429


def test_the_form_works_from_a_page_without_a_referrer_and_from_no_other_site(home: Any) -> None:
    url = make(home, "/data/outputs/week/a.txt", password="pw")["url"]
    form = {"password": "pw"}
    quiet = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
    assert home.client().post(url, data=form, headers=quiet).status_code == 303
    for headers in (
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example"},
    ):
        assert home.client().post(url, data=form, headers=headers).status_code == 403


def test_own_shares_are_listed_and_revoked(home: Any) -> None:
    link = make(home, "/data/outputs/week/a.txt")
    owner = home.client(authorization=TOKEN)
    ann = home.client()
    ann.environ_base["HTTP_AUTHORIZATION"] = "Basic YW5uOnB3MQ=="
    assert owner.get("/api/files/shares").get_json() == {"shares": [link]}
    assert ann.get("/api/files/shares").get_json() == {"shares": []}
    assert ann.delete(f"/api/files/shares/{link['id']}").status_code == 404
    assert owner.delete(f"/api/files/shares/{link['id'][:10]}").status_code == 404
    assert home.client().get(link["url"]).status_code == 200
    assert owner.delete(f"/api/files/shares/{link['id']}").status_code == 200
    assert home.client().get(link["url"]).status_code == 404
    assert owner.get("/api/files/shares").get_json() == {"shares": []}


def test_a_share_ends_in_time(home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    link = make(home, "/data/outputs/week/a.txt", expires_in=3600)
    assert link["expires"] == pytest.approx(time.time() + 3600, abs=600)
    assert home.client().get(link["url"]).status_code == 200
    later = time.time() + 3700
    monkeypatch.setattr(time, "time", lambda: later)
    assert home.client().get(link["url"]).status_code == 404
    owner = home.client(authorization=TOKEN)
    assert owner.get("/api/files/shares").get_json() == {"shares": []}


def test_what_took_the_place_of_a_shared_file_is_not_shared(home: Any) -> None:
    path: Path = home.data_dir / "outputs" / "week" / "a.txt"
    link = make(home, "/data/outputs/week/a.txt")
    path.unlink()
    assert home.client().get(link["url"]).status_code == 404
    path.write_bytes(b"letters")  # the inode's number may be the same again
    assert home.client().get(link["url"]).status_code == 404


def test_a_share_outlives_a_restart_and_not_its_owner(build: Any) -> None:
    first = build(build_credentials(TOKEN))
    (first.data_dir / "a.txt").write_text("letters")
    url = make(first, "/data/a.txt")["url"]
    from webapp.app import create_app  # the same data directory, other credentials

    services = first.app.extensions["easel.services"]
    again = create_app(replace(services, metrics=CollectorRegistry()))
    assert again.test_client().get(url).status_code == 200
    services = replace(
        services,
        metrics=CollectorRegistry(),
        credentials=build_credentials(None, (("ann", "pw"),)),
    )
    assert create_app(services).test_client().get(url).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"path": "/data/outputs/none.txt"}, 404),
        ({"path": "/data/.easel/token"}, 404),
        ({"path": "/data/../secret"}, 400),
        ({"path": "/data"}, 403),
        ({}, 422),
        ({"path": "/data/outputs", "expires_in": 0}, 422),
        ({"path": "/data/outputs", "password": ""}, 422),
        ({"path": "/data/outputs", "to": "x"}, 422),
    ],
)
def test_what_cannot_be_shared(home: Any, body: dict[str, Any], status: int) -> None:
    answer = home.client(authorization=TOKEN).post("/api/files/shares", json=body)
    assert answer.status_code == status
    assert home.client(authorization=TOKEN).get("/api/files/shares").get_json() == {"shares": []}


def test_names_are_shown_as_text(home: Any) -> None:
    folder = home.data_dir / "outputs" / "week"
    (folder / "<script>alert(1).txt").write_text("x")
    (folder / "gnp.\u202eexe").write_text("x")
    page = home.client().get(make(home, "/data/outputs/week")["url"]).text
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "\u202e" not in page.replace("%E2%80%AE", "")
    assert "&lt;U+202E&gt;" in page


def test_long_folders_come_in_pages(home: Any) -> None:
    many = home.data_dir / "outputs" / "many"
    many.mkdir()
    for number in range(250):
        (many / f"{number:03}.txt").touch()
    url = make(home, "/data/outputs/many")["url"]
    first = home.client().get(url).text
    assert "250 entries" in first
    assert "199.txt" in first
    assert "200.txt" not in first
    assert "200.txt" in home.client().get(f"{url}?offset=200").text
