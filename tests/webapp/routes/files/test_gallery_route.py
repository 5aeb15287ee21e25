"""``/api/v1/pictures``: the history by page and filter, stars and rejects, each user's own."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from filebrowser.database import open_database
from generator.pictures.picture_files import encode_picture
from tests.wait import TIMEOUT, wait_until
from webapp.gallery import ratings as ratings_module
from webapp.gallery.ratings import LAYOUT, RatingStore

PICTURES = 7
DAY = 24 * 3600


def picture_with(infotext: str) -> bytes:
    return encode_picture(Image.new("RGB", (8, 6), "red"), "png", infotext)


@pytest.fixture
def gallery(house: Any) -> Iterator[Any]:
    """A house with pictures of the last days: 0.png is the oldest."""
    outputs = house.data_dir / "outputs/txt2img-images"
    outputs.mkdir(parents=True)
    for number in range(PICTURES):
        model, sampler = ("painter", "Euler a") if number % 2 else ("sketcher", "DPM++ 2M")
        file = outputs / f"{number}.png"
        file.write_bytes(
            picture_with(
                f"boat {number}\nSteps: 20, Sampler: {sampler}, Seed: {number}, Model: {model}"
            )
        )
        os.utime(file, (1_700_000_000 + number * DAY,) * 2)
    (house.data_dir / "outputs/notes.txt").write_text("boat")
    (house.data_dir / "elsewhere.png").write_bytes(picture_with("boat"))
    filing = house.app.extensions["easel.services"].filing
    filing.start()
    assert filing.index.wait_until_idle(TIMEOUT)
    return house


def ask(house: Any, **query: Any) -> Any:
    answer = house.client().get("/api/v1/pictures", query_string=query)
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()


def names(house: Any, **query: Any) -> list[str]:
    return [entry["name"] for entry in ask(house, **query)["pictures"]]


def path(number: int) -> str:
    return f"/data/outputs/txt2img-images/{number}.png"


def rate(house: Any, *numbers: int, **rating: Any) -> Any:
    body = {"paths": [path(number) for number in numbers], **rating}
    return house.client().put("/api/v1/pictures/rating", json=body)


def all_names(*numbers: int) -> list[str]:
    return [f"{number}.png" for number in numbers]


def test_pages_lead_from_the_latest_to_the_oldest_and_no_picture_comes_twice(gallery: Any) -> None:
    seen, page = [], ask(gallery, limit=3)
    assert page["total"] == PICTURES
    while True:
        seen += [entry["name"] for entry in page["pictures"]]
        if page["next"] is None:
            break
        page = ask(gallery, limit=3, cursor=page["next"])
        assert page["total"] == PICTURES
    assert seen == all_names(*reversed(range(PICTURES)))
    assert names(gallery, offset=5) == all_names(1, 0)


def test_filters_of_words_model_sampler_and_days(gallery: Any) -> None:
    assert names(gallery, q="boat 3") == all_names(3)
    assert names(gallery, model="painter") == all_names(5, 3, 1)
    assert names(gallery, sampler="DPM++") == all_names(6, 4, 2, 0)
    assert names(gallery, since="2023-11-19", until="2023-11-19") == all_names(5)
    assert names(gallery, q="notes") == names(gallery, q="elsewhere") == []


def test_stars_and_rejects_stay_with_the_picture_under_another_name(gallery: Any) -> None:
    assert rate(gallery, 1, 2, stars=4).status_code == 200
    answer = rate(gallery, 2, 3, rejected=True).get_json()
    assert answer["ratings"] == [
        {"path": path(2), "stars": 4, "rejected": True},
        {"path": path(3), "stars": 0, "rejected": True},
    ]
    assert names(gallery, stars=4) == all_names(2, 1)
    assert names(gallery, stars=5) == []
    assert names(gallery, stars=1, rejected=0) == all_names(1)
    assert names(gallery, rejected=1) == all_names(3, 2)
    moved = {"paths": [path(1)], "to": "/data/outputs/kept.png"}
    assert gallery.client().post("/api/files/move", json=moved).status_code == 200
    wait_until(lambda: names(gallery, stars=4) == ["2.png", "kept.png"])
    assert rate(gallery, 2, stars=0, rejected=False).status_code == 200
    assert names(gallery, stars=1) == ["kept.png"]


def test_bad_filters_and_ratings_are_refused_and_change_nothing(gallery: Any) -> None:
    client = gallery.client()
    for query in ("stars=6", "stars=x", "rejected=2", "since=soon", "cursor=x", "limit=501",
                  f"model={'m' * 201}"):  # fmt: skip
        assert client.get(f"/api/v1/pictures?{query}").status_code == 400, query
    for body in ({"stars": 6}, {"stars": "5"}, {"stars": True}, {"rejected": 1}, {"more": 1}):
        assert rate(gallery, 1, **body).status_code == 422, body
    assert rate(gallery, 1).status_code == 400
    assert rate(gallery, 1, 99, stars=3).status_code == 404
    assert rate(gallery, *[1] * 201, stars=3).status_code == 422
    assert names(gallery, stars=1) == []


def test_ratings_are_bounded(gallery: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratings_module, "MAX_RATINGS", 2)
    assert rate(gallery, 1, 2, stars=1).status_code == 200
    assert rate(gallery, 2, 3, stars=5).status_code == 409
    assert names(gallery, stars=1) == all_names(2, 1)
    assert rate(gallery, 1, 2, stars=0).status_code == 200


def test_a_gallery_without_outputs_is_empty(house: Any) -> None:
    house.app.extensions["easel.services"].filing.start()
    page = ask(house)
    assert (page["total"], page["pictures"], page["next"]) == (0, [], None)


def test_ratings_of_many_pictures_are_read_in_parts(tmp_path: Any) -> None:
    store = RatingStore(tmp_path / "ratings.db")
    stamps = [(number, 1) for number in range(1000)]
    store.rate("ann", stamps, 3, None)
    assert len(store.ratings_of("ann", stamps)) == len(store.starred("ann", 3)) == 1000
    assert store.ratings_of("bob", stamps) == {}
    store.close()
    open_database(tmp_path / "ratings.db", LAYOUT).close()
