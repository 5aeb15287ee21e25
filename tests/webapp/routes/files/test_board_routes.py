"""Boards: pictures put together, kept when they move, and shown to strangers who may give stars."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from generator.pictures.picture_files import encode_picture
from tests.wait import TIMEOUT, wait_until
from webapp.files import caller_rights
from webapp.gallery import boards as boards_module

PATHS = [f"/data/outputs/{name}.png" for name in "abc"]


@pytest.fixture
def studio(house: Any) -> Iterator[Any]:
    """A house with three pictures."""
    outputs = house.data_dir / "outputs"
    outputs.mkdir(parents=True)
    for number, path in enumerate(PATHS):
        image = Image.new("RGB", (8 + number, 6), "red")
        text = f"secret words {number}\nSteps: 1, Sampler: Euler, Seed: {number}"
        (house.data_dir / path.removeprefix("/data/")).write_bytes(
            encode_picture(image, "png", text)
        )
    filing = house.app.extensions["easel.services"].filing
    filing.start()
    assert filing.index.wait_until_idle(TIMEOUT)
    return house


def ask(house: Any, method: str, path: str = "", body: object = None, status: int = 200) -> Any:
    answer = house.client().open(f"/api/v1/boards{path}", method=method, json=body)
    assert answer.status_code == status, answer.get_json()
    return answer.get_json()


def make(house: Any, **change: object) -> dict[str, Any]:
    board = ask(house, "POST", "", {"name": "sea", "note": "for the wall"})
    changed: dict[str, Any] = ask(house, "PATCH", f"/{board['id']}", {"add": PATHS, **change})
    return changed


def test_a_board_has_pictures_in_their_order_a_cover_and_a_note(studio: Any) -> None:
    board = make(studio)
    assert [picture["path"] for picture in board["pictures"]] == PATHS
    assert (board["name"], board["note"], board["cover"]) == ("sea", "for the wall", PATHS[0])
    at = f"/{board['id']}"
    changed = ask(studio, "PATCH", at, {"cover": PATHS[2], "name": "lake", "remove": [PATHS[0]]})
    assert (changed["name"], changed["cover"], changed["count"]) == ("lake", PATHS[2], 2)
    (listed,) = ask(studio, "GET")["boards"]
    assert listed == {key: value for key, value in changed.items() if key != "pictures"}
    ask(studio, "DELETE", at)
    assert ask(studio, "GET") == {"boards": []}
    ask(studio, "GET", at, status=404)


def test_a_moved_picture_stays_and_a_deleted_one_is_told(studio: Any) -> None:
    board = make(studio)
    client = studio.client()
    client.post("/api/files/move", json={"paths": [PATHS[0]], "to": "/data/outputs/moved.png"})
    client.post("/api/files/delete", json={"paths": [PATHS[1]]})

    def places() -> list[tuple[str, bool]]:
        pictures = ask(studio, "GET", f"/{board['id']}")["pictures"]
        return [(picture["path"], picture["there"]) for picture in pictures]

    wanted = [("/data/outputs/moved.png", True), (PATHS[1], False), (PATHS[2], True)]
    wait_until(lambda: places() == wanted)


def test_bad_changes_are_refused_and_change_nothing(studio: Any) -> None:
    board = make(studio)
    at = f"/{board['id']}"
    ask(studio, "PATCH", at, {"add": ["/data/outputs/none.png"], "name": "other"}, 404)
    ask(studio, "PATCH", at, {"cover": "/data/outputs/none.png", "name": "other"}, 400)
    ask(studio, "PATCH", at, {"remove": ["/data/outputs/none.png"], "name": "other"}, 400)
    ask(studio, "PATCH", at, {"add": ["/data/config.json"]}, 400)
    for body in ({"name": " "}, {"name": "x" * 201}, {"more": 1}, {"shared": "yes"}):
        ask(studio, "PATCH", at, body, 422)
    ask(studio, "POST", "", {"note": "without a name"}, 422)
    assert ask(studio, "GET", at) == board


def test_boards_are_bounded(studio: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards_module, "MAX_BOARDS", 1)
    monkeypatch.setattr(boards_module, "MAX_BOARD_PICTURES", 2)
    board = ask(studio, "POST", "", {"name": "one"})
    ask(studio, "POST", "", {"name": "two"}, 409)
    ask(studio, "PATCH", f"/{board['id']}", {"add": PATHS}, 409)
    assert ask(studio, "GET", f"/{board['id']}")["count"] == 0
    monkeypatch.setattr(boards_module, "MAX_VISITOR_STARS", 0)
    shared = ask(studio, "PATCH", f"/{board['id']}", {"add": PATHS[:1], "shared": True})
    visitor = studio.app.test_client()
    key = re.findall(r'value="([^"]+)"', visitor.get(shared["url"]).text)[0]
    assert visitor.post(shared["url"], data={"picture": key}).status_code == 429


def test_visitors_see_small_pictures_without_their_making_and_give_stars(studio: Any) -> None:
    board = make(studio, shared=True)
    url, at = board["url"], f"/{board['id']}"
    assert re.fullmatch(r"/b/[\w-]{22}", url)
    one, other = studio.app.test_client(), studio.app.test_client()
    page = one.get(url)
    assert "for the wall" in page.text
    assert page.headers["Referrer-Policy"] == "same-origin"  # else forms have the origin "null"
    assert "script-src" not in page.headers["Content-Security-Policy"]
    keys = re.findall(r'value="([^"]+)"', page.text)
    assert len(keys) == 3
    small = one.get(f"{url}/{keys[0]}")
    assert small.content_type == "image/webp"
    assert b"secret words" not in small.data
    for visitor in (one, other, one, one):  # the first takes it back, and gives it again
        assert visitor.post(url, data={"picture": keys[0]}).status_code == 303
    assert 'aria-pressed="true"' in one.get(url).text
    pictures = ask(studio, "GET", at)["pictures"]
    assert [picture["visitor_stars"] for picture in pictures] == [2, 0, 0]
    assert one.post(url, data={"picture": "0-0"}).status_code == 404
    ask(studio, "PATCH", at, {"remove": [PATHS[0]]})
    assert one.get(f"{url}/{keys[0]}").status_code == 404
    ask(studio, "PATCH", at, {"shared": False})
    for answer in (
        one.get(url),
        one.post(url, data={"picture": keys[1]}),
        one.get(f"{url}/{keys[1]}"),
    ):
        assert answer.status_code == 404
    assert ask(studio, "PATCH", at, {"shared": True})["url"] != url


def test_a_link_ends_with_its_owners_rights(studio: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    url = make(studio, shared=True)["url"]
    rights = {scope: frozenset({"view"}) for scope in caller_rights.RIGHTS}
    monkeypatch.setattr(caller_rights, "RIGHTS", rights)
    assert studio.app.test_client().get(url).status_code == 404
