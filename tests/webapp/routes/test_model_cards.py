"""Pictures beside models, metadata, covers; and what is not handed out by that way."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.webapp.conftest import write_model
from tests.webapp.requests.request_pictures import encode_grey_picture

CARDS = "/sd_extra_networks"


@pytest.fixture
def lora(house: Any) -> Path:
    """A LoRA with a cover inside and a picture beside it."""
    facts = {
        "ssmd_cover_images": json.dumps([encode_grey_picture(8, 4), "bm9uZQ=="]),
        "note": "<b>",
    }
    path = write_model(house.data_dir / "models/Lora/inked.safetensors", facts)
    path.with_suffix(".preview.png").write_bytes(base64.b64decode(encode_grey_picture(4, 4)))
    house.registry.refresh()
    return path


def test_the_picture_beside_a_model(house: Any, lora: Path) -> None:
    picture = lora.with_suffix(".preview.png")
    answer = house.client().get(f"{CARDS}/thumb", query_string={"filename": str(picture)})
    assert (answer.status_code, answer.data) == (200, picture.read_bytes())


def test_nothing_else_is_handed_out(house: Any, lora: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"1")
    os.symlink(tmp_path / "secret.png", lora.with_name("link.png"))
    inside = str(lora.parent)
    for name in (
        str(lora), str(tmp_path / "secret.png"), f"{inside}/link.png", f"{inside}/missing.png",
        f"{inside}/../../../secret.png", f"{inside}/../Lora/inked.preview.png", inside, "", "/",
    ):  # fmt: skip
        answer = house.client().get(f"{CARDS}/thumb", query_string={"filename": name})
        assert answer.status_code in (400, 404), name


def test_metadata_without_its_covers(house: Any, lora: Path) -> None:
    client = house.client()
    told = client.get(f"{CARDS}/metadata?page=lora&item=inked").get_json()
    assert json.loads(told["metadata"]) == {"note": "<b>"}
    for query in ("page=lora&item=none", "page=nope&item=inked", ""):
        assert client.get(f"{CARDS}/metadata?{query}").get_json() == {}


@pytest.mark.parametrize(
    ("index", "status"), [("0", 200), ("1", 404), ("2", 404), ("-1", 404), ("x", 404)]
)
def test_covers(house: Any, lora: Path, index: str, status: int) -> None:
    answer = house.client().get(f"{CARDS}/cover-images?page=lora&item=inked&index={index}")
    assert answer.status_code == status
    if status == 200:
        assert answer.content_type == "image/png"
        assert base64.b64encode(answer.data).decode() == encode_grey_picture(8, 4)


def test_a_card(house: Any, lora: Path) -> None:
    client = house.client()
    card = client.get(f"{CARDS}/get-single-card?page=lora&tabname=txt2img&name=inked").get_json()
    assert 'data-name="inked"' in card["html"]
    assert "inked.preview.png" in card["html"]
    assert client.get(f"{CARDS}/get-single-card?page=lora&name=none").get_json() == {}
