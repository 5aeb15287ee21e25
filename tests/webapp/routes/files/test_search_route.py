"""``GET /api/files/search`` over a tree that is watched: what is found, and by whom."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from generator.pictures.picture_files import encode_picture
from tests.wait import TIMEOUT, wait_until
from webapp.access.credentials import build_credentials

INFOTEXT = (
    "a lighthouse at dusk, <lora:ink:0.7>\nNegative prompt: fog\nSteps: 20, Sampler: DPM++ 2M, "
    "Schedule type: Karras, CFG scale: 7, Seed: 424242, Size: 64x48, Model hash: 0123456789, "
    "Model: painter, Version: v1.10.1"
)


def draw(path: Path, infotext: str | None = INFOTEXT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", (64, 48), "red")
    path.write_bytes(encode_picture(image, path.suffix[1:], infotext))
    return path


@pytest.fixture
def searched_house(house: Any) -> Iterator[Any]:
    outputs = house.data_dir / "outputs"
    for name in ("one.png", "two.jpg", "three.webp"):
        draw(outputs / name)
    draw(outputs / "silent.png", None)
    (outputs / "中文笔记.txt").write_text("x")
    filing = house.app.extensions["easel.services"].filing
    filing.start()
    assert filing.index.wait_until_idle(TIMEOUT)
    return house


def ask(house: Any, q: str = "", **query: Any) -> Any:
    headers = query.pop("headers", {})
    return house.client(**headers).get("/api/files/search", query_string={"q": q, **query})


def paths(house: Any, q: str = "", **query: Any) -> list[str]:
    answer = ask(house, q, **query)
    assert answer.status_code == 200, answer.get_json()
    return sorted(entry["path"] for entry in answer.get_json()["entries"])


def test_pictures_of_every_format_are_found_by_how_they_were_made(searched_house: Any) -> None:
    three = [f"/data/outputs/{name}" for name in ("one.png", "three.webp", "two.jpg")]
    for q in (
        "lighthouse",
        '"at dusk"',
        "model:paint kind:image",
        'model:"painter"',
        "lora:ink",
        "sampler:karras",
        "seed:424242",
        "424242",
        "negative:fog",
        "width:64 height:<50 kind:image seed:>1",
        "path:outputs prompt:dusk date:today size:<1mb",
    ):
        assert paths(searched_house, q) == three, q
    assert paths(searched_house, "fog") == []
    assert paths(searched_house, "lighthouse", kind="text") == []
    assert paths(searched_house, "笔记") == ["/data/outputs/中文笔记.txt"]


def test_an_entry_is_one_of_a_listing_and_tells_more(searched_house: Any) -> None:
    told = ask(searched_house, "one.png", path="/data/outputs").get_json()
    (entry,) = told["entries"]
    assert (told["path"], told["total"], told["complete"]) == ("/data/outputs", 1, True)
    listed = searched_house.client().get("/api/files?path=/data/outputs").get_json()["entries"]
    same = next(each for each in listed if each["name"] == "one.png")
    assert entry == same | {
        "path": "/data/outputs/one.png",
        "width": 64,
        "height": 48,
        "seed": 424242,
        "model": "painter",
        "sampler": "DPM++ 2M Karras",
        "prompt": "a lighthouse at dusk, <lora:ink:0.7>",
    }


def test_pages_and_orders(searched_house: Any) -> None:
    names = [
        entry["name"]
        for offset in range(3)
        for entry in ask(
            searched_house, "lighthouse", sort="name", offset=offset, limit=1
        ).get_json()["entries"]
    ]
    assert names == ["one.png", "three.webp", "two.jpg"]
    backwards = ask(searched_house, "lighthouse", sort="-name").get_json()["entries"]
    assert [entry["name"] for entry in backwards] == names[::-1]


def test_what_comes_changes_and_goes_is_found_so(searched_house: Any) -> None:
    outputs = searched_house.data_dir / "outputs"
    draw(outputs / "new folder" / "late.png", INFOTEXT.replace("dusk", "dawn"))
    wait_for(searched_house, "dawn", ["/data/outputs/new folder/late.png"])
    (outputs / "new folder").rename(outputs / "other")
    wait_for(searched_house, "dawn", ["/data/outputs/other/late.png"])
    draw(outputs / "other" / "late.png", INFOTEXT.replace("dusk", "midnight"))
    wait_for(searched_house, "midnight", ["/data/outputs/other/late.png"])
    assert paths(searched_house, "dawn") == []
    (outputs / "other" / "late.png").unlink()
    wait_for(searched_house, "midnight", [])


def test_what_comes_before_folders_are_watched_is_found(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    filing, gate = house.app.extensions["easel.services"].filing, threading.Event()
    begin = filing.watch.watcher.start
    monkeypatch.setattr(filing.watch.watcher, "start", lambda: gate.wait() and begin())
    (house.data_dir / "outputs").mkdir(exist_ok=True)
    filing.start()
    try:
        assert not filing.index.wait_until_idle(0.3)
        draw(house.data_dir / "outputs" / "early.png")
    finally:
        gate.set()
    wait_for(house, "lighthouse", ["/data/outputs/early.png"])


def test_a_deleted_file_is_not_found_and_a_restored_one_is(searched_house: Any) -> None:
    path = "/data/outputs/one.png"
    told = searched_house.client().post("/api/files/delete", json={"paths": [path]}).get_json()
    assert path not in paths(searched_house, "lighthouse")
    searched_house.client().post("/api/files/restore", json={"trash_id": told["trash_id"]})
    wait_for(searched_house, "one.png", [path])


def wait_for(house: Any, q: str, expected: list[str]) -> None:
    wait_until(lambda: paths(house, q) == expected, message=f"{q} does not find {expected}")


SENSELESS: list[tuple[dict[str, str], str]] = [
    ({"q": "size:large"}, "size:"),
    ({"q": "date:2026-13"}, "date:"),
    ({"q": "date:0000"}, "date:"),
    ({"q": "seed:-1"}, "seed:"),
    ({"q": "kind:png"}, "kind:"),
    ({"kind": "png"}, "kind:"),
    ({"q": "x" * 1001}, "1000 are read"),
    ({"q": "a " * 40}, "32 conditions"),
    ({"sort": "age"}, "sort"),
    ({"limit": "501"}, "limit"),
    ({"offset": "-1"}, "offset"),
    ({"path": "/data/../etc"}, "no name"),
]


def test_a_question_without_sense_is_refused(house: Any) -> None:
    for query, named in SENSELESS:
        answer = house.client().get("/api/files/search", query_string=query)
        assert answer.status_code == 400
        assert named in answer.get_json()["detail"]


def test_nothing_hidden_is_found_or_counted(searched_house: Any) -> None:
    folder = searched_house.data_dir / ".easel"
    draw(folder / "secret.png")
    (searched_house.data_dir / "outputs" / "link.png").symlink_to(folder / "secret.png")
    draw(searched_house.data_dir / "outputs" / "seen.png")
    wait_for(searched_house, "seen.png", ["/data/outputs/seen.png"])
    assert paths(searched_house, "secret") == []
    assert paths(searched_house, "link") == []
    assert paths(searched_house, "queue") == []
    assert ask(searched_house, "lighthouse", limit=0).get_json()["total"] == 4
    assert ask(searched_house, path="/data/.easel").status_code == 404
    assert ask(searched_house, path="/others").status_code == 404


def test_nobody_searches_without_a_credential(build: Any) -> None:
    house = build(build_credentials("owner-token"))
    assert ask(house, "x").status_code == 401
