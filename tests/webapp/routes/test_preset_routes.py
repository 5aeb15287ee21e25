"""Presets: forms kept under names with thumbnails, changed, renamed and deleted; and bounded."""

import base64
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from filebrowser.database import open_database
from webapp.gallery import presets as presets_module
from webapp.gallery.presets import LAYOUT, PresetStore
from webapp.routes.presets import MAX_FORM_BYTES

FORM = {"fields": {"prompt": "水, a boat", "hires": {"on": True}}, "units": []}


def png(width: int = 640, height: int = 320, colour: str = "red") -> str:
    content = BytesIO()
    Image.new("RGB", (width, height), colour).save(content, "PNG")
    return base64.b64encode(content.getvalue()).decode()


def ask(house: Any, method: str, path: str = "", body: object = None, status: int = 200) -> Any:
    answer = house.client().open(f"/api/v1/presets{path}", method=method, json=body)
    assert answer.status_code == status, answer.get_json()
    return answer.get_json()


def keep(house: Any, name: str = "sea", **body: object) -> Any:
    return ask(house, "POST", "", {"name": name, "form": FORM, **body})


def test_a_preset_is_kept_whole_with_a_thumbnail_changed_and_deleted(house: Any) -> None:
    made = keep(house, " sea ", image=png())
    at = f"/{made['id']}"
    assert ask(house, "GET", at) == {**made, "form": FORM}
    assert ask(house, "GET") == {"presets": [made]}
    assert made["name"] == "sea"
    picture = house.client().get(f"/{made['picture']}")
    assert picture.content_type == "image/webp"
    assert Image.open(BytesIO(picture.data)).size == (256, 128)
    changed = ask(house, "PATCH", at, {"name": "lake", "form": {}, "image": png(8, 8)})
    assert changed["picture"] != made["picture"]
    assert ask(house, "GET", at) == {**changed, "form": {}}
    assert ask(house, "PATCH", at, {"image": ""})["picture"] is None
    ask(house, "GET", f"{at}/picture", status=404)
    assert ask(house, "GET", at)["name"] == "lake"  # what is left out stays
    ask(house, "DELETE", at)
    assert ask(house, "GET") == {"presets": []}
    for method in ("GET", "DELETE", "PATCH"):
        ask(house, method, at, {}, status=404)


def test_no_two_presets_have_one_name(house: Any) -> None:
    keep(house)
    other = keep(house, "lake")
    for method, path in (("POST", ""), ("PATCH", f"/{other['id']}")):
        refused = ask(house, method, path, {"name": "sea", "form": {}}, status=409)
        assert (refused["code"], refused["field"]) == ("preset_name_taken", "name")
    ask(house, "PATCH", f"/{other['id']}", {"name": "lake"})  # its own


def test_a_user_has_a_bounded_number_of_them(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presets_module, "MAX_PRESETS", 1)
    keep(house)
    refused = ask(house, "POST", "", {"name": "more", "form": {}}, status=409)
    assert refused["code"] == "too_many_presets"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 201}, "name"),
        ({"name": 1}, "name"),
        ({"form": []}, "form"),
        ({"form": {"prompt": "x" * MAX_FORM_BYTES}}, "form"),
        ({"form": {"prompt": "\ud800"}}, "form"),
        ({"image": "bm8gcGljdHVyZQ=="}, "image"),
        ({"other": 1}, "other"),
    ],
)
def test_what_is_no_preset_names_its_field(house: Any, body: Any, field: str) -> None:
    sent = json.dumps({"name": "sea", "form": {}, **body})
    refused = house.client().post("/api/v1/presets", data=sent, content_type="application/json")
    assert refused.status_code in (400, 422)
    assert refused.get_json()["field"] == field
    assert ask(house, "GET") == {"presets": []}


def test_they_outlive_the_process_and_their_file_is_of_the_written_version(tmp_path: Path) -> None:
    path = tmp_path / "presets.db"
    store = PresetStore(path)
    made = store.create("ann", "sea", "{}", b"")
    store.close()
    open_database(path, LAYOUT).close()
    assert PresetStore(path).get("ann", made.id) == made
    assert path.stat().st_mode & 0o077 == 0
