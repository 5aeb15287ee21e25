"""``GET /api/files/thumbnail``: sizes, conditions, statuses."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.generator.pictures.sample_pictures import COLOURED, COLOURS, GREY, RAMP, TRANSPARENT
from webapp.access.credentials import build_credentials

URL = "/api/files/thumbnail?path=/data/outputs/a.png"


@pytest.fixture
def picture(house: Any) -> Path:
    path: Path = house.data_dir / "outputs" / "a.png"
    path.parent.mkdir(parents=True)
    Image.new("RGB", (640, 480), "red").save(path)
    return path


def test_a_picture_comes_small_and_is_asked_for_once(house: Any, picture: Path) -> None:
    client = house.client()
    answer = client.get(URL)
    assert (answer.status_code, answer.content_type) == (200, "image/webp")
    assert Image.open(BytesIO(answer.data)).size == (256, 192)
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    again = client.get(URL, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    other = client.get(f"{URL}&size=128", headers={"If-None-Match": answer.headers["ETag"]})
    assert other.status_code == 200


@pytest.mark.parametrize("kind", ["tiff-16", "tiff-float", "tiff-lab", "png-16-grey", "jpeg-cmyk"])
def test_pictures_of_every_kind_come_small(house: Any, picture: Path, kind: str) -> None:
    picture.write_bytes((GREY | COLOURED | TRANSPARENT)[kind])
    answer = house.client().get(URL)
    assert answer.status_code == 200, answer.get_json()
    small = np.asarray(Image.open(BytesIO(answer.data)).convert("RGB"), np.int16)
    whole = (RAMP if kind in GREY or kind in TRANSPARENT else COLOURS).convert("RGB")
    assert np.abs(small - np.asarray(whole, np.int16)).mean() < 8


def test_a_changed_picture_is_sent_again(house: Any, picture: Path) -> None:
    client = house.client()
    tag = client.get(URL).headers["ETag"]
    Image.new("RGB", (640, 480), "blue").save(picture)
    assert client.get(URL, headers={"If-None-Match": tag}).status_code == 200


def test_other_sizes_are_refused(house: Any, picture: Path) -> None:
    for size in ("0", "-1", "257", "100000", "1e3", "", "٢٥٦"):
        answer = house.client().get(f"{URL}&size={size}")
        assert answer.status_code == 400
        assert "128, 256, 512, 1024" in answer.get_json()["detail"]


def test_an_address_of_one_state_lasts(house: Any, picture: Path) -> None:
    answer = house.client().get(f"{URL}&v=1700000000.5")
    assert answer.headers["Cache-Control"] == "private, max-age=604800"


WITHOUT = {
    "": 404,
    "/data": 415,
    "/data/outputs": 415,
    "/data/outputs/no.png": 404,
    "/data/.easel/token": 404,
    "/data/../../etc/passwd": 400,
    "/etc/passwd": 404,
    "/data/note.txt": 415,
    "/data/clip.mp4": 415,
}


def test_what_has_no_thumbnail_is_told_with_a_status(house: Any, picture: Path) -> None:
    (house.data_dir / "note.txt").write_text("words")
    (house.data_dir / "clip.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    for path, status in WITHOUT.items():
        answer = house.client().get("/api/files/thumbnail", query_string={"path": path})
        assert answer.status_code == status, path


def test_nothing_without_a_credential(build: Any) -> None:
    house = build(build_credentials("owner-token"))
    assert house.client().get(URL).status_code == 401
