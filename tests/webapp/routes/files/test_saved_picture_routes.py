"""Saved pictures by their address, with ranges and conditions; and what is not handed out."""

from pathlib import Path
from typing import Any

import pytest
from werkzeug.http import parse_options_header

MOUNT = "/code/stable-diffusion-webui/data"
CONTENT = bytes(range(256)) * 10


@pytest.fixture
def picture(house: Any) -> Path:
    path: Path = house.data_dir / "outputs" / "txt2img-images" / "00000-1.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    return path


INNER = "outputs/txt2img-images/00000-1.png"


def test_a_picture_answers_under_every_spelling_of_its_address(house: Any, picture: Path) -> None:
    client = house.client()
    for url in (
        f"{MOUNT}/{INNER}",
        f"{MOUNT}-oss/{INNER}",
        str(picture),
        f"/file={MOUNT}/{INNER}",
        f"/file={picture}",
        f"/file={INNER}",
    ):
        answer = client.get(url)
        assert (answer.status_code, answer.data) == (200, CONTENT), url
    assert answer.content_type == "image/png"
    assert answer.headers["Cache-Control"] == "private, max-age=2592000"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Content-Disposition"].startswith("inline")


def test_what_an_answer_names_can_be_fetched(house: Any) -> None:
    body = {"prompt": "a", "width": 64, "height": 64, "steps": 1, "batch_size": 2}
    extras = {"save_dir": f"{MOUNT}-oss/outputs", "id_task": "t1"}
    told = house.txt2img(body | {"alwayson_scripts": extras}).get_json()["parameters"]
    urls = told["image_url"].split(",")
    assert len(urls) == 3  # the grid first
    for url in urls:
        assert house.client().get(url).data[:4] == b"\x89PNG"
        assert house.client().get(f"/file={url}").status_code == 200


@pytest.mark.parametrize(
    ("asked", "status", "span"),
    [
        ("bytes=0-9", 206, (0, 10)),
        ("bytes=2550-", 206, (2550, 2560)),
        ("bytes=-5", 206, (2555, 2560)),
        ("bytes=100-99999", 206, (100, 2560)),
        ("bytes=0-2559", 200, (0, 2560)),
        ("bytes=0-1,5-6", 200, (0, 2560)),
        ("lines=0-1", 200, (0, 2560)),
        ("bytes=9-1", 200, (0, 2560)),
        ("bytes=2560-", 416, (0, 0)),
        (f"bytes={2**70}-", 416, (0, 0)),
    ],
)
def test_ranges(house: Any, picture: Path, asked: str, status: int, span: tuple[int, int]) -> None:
    answer = house.client().get(f"/file={INNER}", headers={"Range": asked})
    assert answer.status_code == status
    assert answer.data == CONTENT[slice(*span)]
    if status == 206:
        assert answer.headers["Content-Range"] == f"bytes {span[0]}-{span[1] - 1}/2560"
    if status == 416:
        assert answer.headers["Content-Range"] == "bytes */2560"


def test_conditions(house: Any, picture: Path) -> None:
    client, url = house.client(), f"/file={INNER}"
    etag = client.get(url).headers["ETag"]
    assert client.get(url, headers={"If-None-Match": etag}).status_code == 304
    part = {"Range": "bytes=0-1"}
    assert client.get(url, headers={**part, "If-Range": etag}).status_code == 206
    picture.write_bytes(CONTENT + b"more")
    assert client.get(url, headers={"If-None-Match": etag}).status_code == 200
    assert client.get(url, headers={**part, "If-Range": etag}).status_code == 200
    head = client.head(url)
    assert (head.data, head.content_length) == (b"", 2564)


@pytest.mark.parametrize(
    "path",
    [
        *("config.json", "models/Stable-diffusion/painter.safetensors", ".easel/session.key"),
        *(".easel/a.png", ".EASEL/a.png", "outputs", "outputs/none.png", "styles.csv"),
        *(
            "../secret.png",
            "outputs/../../secret.png",
            "outputs/link.png",
            "outputs/way/secret.png",
        ),
        *("/etc/passwd", "/etc/alternatives.png", "/code/stable-diffusion-webui/secret.png"),
    ],
)
def test_nothing_else_is_handed_out(house: Any, picture: Path, path: str) -> None:
    outside = house.data_dir.parent / "secret.png"
    outside.write_bytes(b"secret")
    (house.data_dir / ".easel" / "a.png").write_bytes(b"secret")
    (house.data_dir / "outputs" / "link.png").symlink_to(outside)
    (house.data_dir / "outputs" / "way").symlink_to(outside.parent)
    for url in (f"/file={path}", f"{MOUNT}/{path}", f"/file={house.data_dir}/{path}"):
        answer = house.client().get(url)
        assert answer.status_code in (400, 404), url
        assert b"secret" not in answer.data.replace(b"secret.png", b"")


def test_names_cannot_split_headers(house: Any) -> None:
    name = 'a "quoted" ü名.png'
    (house.data_dir / "outputs").mkdir()
    (house.data_dir / "outputs" / name).write_bytes(CONTENT)
    answer = house.client().get(f"/file=outputs/{name}")
    _, options = parse_options_header(answer.headers["Content-Disposition"])
    assert options["filename"] == name
