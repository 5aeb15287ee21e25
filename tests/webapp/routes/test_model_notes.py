"""Cards of models: what is read, in which order, and what is written for AUTOMATIC1111."""

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.webapp.conftest import write_model

CIVITAI = {
    "modelId": 7, "baseModel": "SD 1.5", "trainedWords": ["ink style", "wash"],
    "description": "<p>Two <b>brushes</b>.</p><script>x</script>",
    "model": {"name": "Ink", "allowNoCredit": True, "allowCommercialUse": ["Image"]},
    "creator": {"username": "ann"},
}  # fmt: skip
METADATA = {"modelspec.title": "Spec", "modelspec.license": "MIT", "ss_output_name": "inky",
            "ss_base_model_version": "sd_v1"}  # fmt: skip


def picture(colour: str = "red", side: int = 8) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(file, "PNG")
    return file.getvalue()


def lora(house: Any, name: str = "ink", **metadata: str) -> Path:
    path: Path = write_model(house.data_dir / f"models/Lora/{name}.safetensors", metadata)
    house.registry.refresh()
    return path


def cards(house: Any, kind: str = "lora") -> dict[str, Any]:
    answer = house.client().get(f"/api/models/cards?kind={kind}")
    assert answer.status_code == 200, answer.text
    return {card["name"].removesuffix(".safetensors"): card for card in answer.get_json()}


def test_a_card_is_read_from_what_lies_beside_the_model(house: Any) -> None:
    path = lora(house, **METADATA)
    path.with_suffix(".civitai.info").write_text(json.dumps(CIVITAI))
    card = cards(house)["ink"]
    assert (card["label"], card["title"], card["author"]) == ("inky", "Ink", "ann")
    assert (card["base"], card["licence"]) == ("SD 1.5", "MIT")
    assert card["words"] == ["ink style", "wash"]
    assert card["source"] == "https://civitai.com/models/7"
    assert card["description"].startswith("Two brushes.")
    assert card["notes"]["description"] == ""
    assert card["preview"] is None
    own = {"sd version": "SDXL", "activation text": "brush, ink", "preferred weight": "0.7",
           "description": "mine", "negative text": "blur", "notes": "n"}  # fmt: skip
    path.with_suffix(".json").write_text(json.dumps(own))
    card = cards(house)["ink"]
    assert (card["base"], card["words"]) == ("SDXL", ["brush", "ink"])
    assert card["notes"] == {
        "description": "mine", "base": "SDXL", "words": "brush, ink", "weight": 0.7,
        "negative": "blur", "notes": "n", "vae": "",
    }  # fmt: skip


def test_the_base_is_told_by_the_header_where_nobody_says_it(house: Any) -> None:
    shape = (4, 2048)
    path = house.data_dir / "models/Lora/xl.safetensors"
    write_model(path, name="lora_unet_x_attn2_to_k.lora_down.weight", shape=shape)
    house.registry.refresh()
    assert cards(house)["xl"]["base"] == "Stable Diffusion XL"


def test_what_is_no_checkpoint_says_what_it_is_and_where_it_belongs(house: Any) -> None:
    folder = house.data_dir / "models/Stable-diffusion"
    noted = {"ss_base_model_version": "sdxl_base_v1-0"}
    write_model(folder / "stray.safetensors", noted, name="lora_unet_x.lora_up.weight")
    write_model(folder / "strange.safetensors")
    lora(house, **noted)
    told = cards(house, "checkpoint")
    assert (told["stray"]["base"], told["stray"]["belongs_in"]) == ("a LoRA", "models/Lora")
    assert told["strange"]["belongs_in"] is None
    own = cards(house)["ink"]
    assert (own["base"], own["belongs_in"]) == ("sdxl_base_v1-0", None)
    body = {"kind": "checkpoint", "name": "stray.safetensors", "base": "SDXL"}
    assert house.client().put("/api/models/cards", json=body).get_json()["base"] == "a LoRA"


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"description": 5, "preferred weight": "x"}'])
def test_what_is_no_card_is_none(house: Any, content: str) -> None:
    path = lora(house)
    for ending in (".json", ".civitai.info"):
        path.with_suffix(ending).write_text(content)
    card = cards(house)["ink"]
    assert (card["notes"]["description"], card["notes"]["weight"], card["words"]) == ("", 0, [])


def test_notes_are_written_as_automatic1111_reads_them(house: Any) -> None:
    path = lora(house)
    path.with_suffix(".json").write_text('{"activation text": "old", "theirs": [1]}')
    body = {"kind": "lora", "name": "ink.safetensors", "description": "ä", "base": "SD1",
            "words": "ink, wash", "weight": 0.8, "negative": "blur", "notes": "mine"}  # fmt: skip
    answer = house.client().put("/api/models/cards", json=body)
    assert answer.status_code == 200
    assert answer.get_json()["words"] == ["ink", "wash"]
    written = path.with_suffix(".json").read_text()
    assert json.loads(written) == {
        "activation text": "ink, wash", "theirs": [1], "description": "ä", "sd version": "SD1",
        "preferred weight": 0.8, "negative text": "blur", "notes": "mine",
    }  # fmt: skip
    assert "ä" in written
    path.with_suffix(".json").write_text("no notes")
    refused = house.client().put("/api/models/cards", json=body)
    assert refused.status_code == 422
    assert "holds no notes" in refused.text
    assert path.with_suffix(".json").read_text() == "no notes"
    for wrong in ({"name": "none"}, {"kind": "file"}, {"weight": "x"}, {"odd": 1}):
        assert house.client().put("/api/models/cards", json=body | wrong).status_code == 422


def test_previews_are_shown_and_replaced(house: Any) -> None:
    cover = base64.b64encode(picture("blue")).decode()
    path = lora(house, ssmd_cover_images=json.dumps([cover]))
    client = house.client()

    def shown() -> bytes:
        address = cards(house)["ink"]["preview"]
        answer = client.get(f"/{address}")
        assert answer.status_code == 200
        return answer.data

    assert shown() == picture("blue")
    path.with_name("ink.preview.png").write_bytes(picture("green"))
    assert shown() == picture("green")
    sent = {"kind": "lora", "name": "ink", "image": base64.b64encode(picture("red", 900)).decode()}
    assert client.put("/api/models/preview", json=sent).status_code == 200
    with Image.open(io.BytesIO(shown())) as image:
        assert (image.size, image.convert("RGB").getpixel((0, 0))) == ((768, 768), (255, 0, 0))
    assert client.put("/api/models/preview", json=sent | {"image": "aaaa"}).status_code == 422
    bare = lora(house, "bare")
    assert client.get("/api/models/preview?kind=lora&name=bare").status_code == 404
    bare.with_suffix(".png").symlink_to("/etc/hostname")
    assert client.get("/api/models/preview?kind=lora&name=bare").status_code in (403, 404)
    assert client.get("/api/models/preview?kind=lora&name=none").status_code == 422


def test_a_checkpoint_keeps_its_defaults(house: Any) -> None:
    path = house.data_dir / "models/Stable-diffusion/sdxl.safetensors"
    write_model(path, {"easel.preferred_size": "1024x1024"})
    house.registry.refresh()
    client, beside = house.client(), path.with_suffix(".json")
    body = {"kind": "checkpoint", "name": "sdxl.safetensors", "vae": "x.safetensors"}
    wanted = {"width": 832, "height": 1216, "steps": 30, "cfg_scale": 4.5, "clip_skip": 2,
              "sampler_name": "Euler a", "scheduler": "Karras"}  # fmt: skip
    card = client.put("/api/models/cards", json=body | {"defaults": wanted}).get_json()
    assert (card["defaults"], card["side"]) == (wanted, 1024)
    client.put("/api/models/cards", json=body | {"notes": "others stay"})
    kept = json.loads(beside.read_text())
    assert (kept["easel defaults"], kept["vae"]) == (wanted, "x.safetensors")
    few = client.put("/api/models/cards", json=body | {"defaults": {"steps": 8}}).get_json()
    assert few["defaults"] == dict.fromkeys(wanted) | {"steps": 8}
    client.put("/api/models/cards", json=body | {"defaults": {}})
    assert "easel defaults" not in json.loads(beside.read_text())
    for wrong in ({"steps": 0}, {"width": "x"}, {"odd": 1}, {"cfg_scale": 1e9}, {"scheduler": ""}):
        assert client.put("/api/models/cards", json=body | {"defaults": wrong}).status_code == 422
    odd = {"width": 10**400, "steps": -1, "cfg_scale": True, "scheduler": 5, "height": 512}
    beside.write_text(json.dumps({"easel defaults": odd}))
    (one,) = client.get("/api/models/cards?kind=checkpoint&name=sdxl").get_json()
    assert one["defaults"] == dict.fromkeys(wanted) | {"height": 512}
    assert client.get("/api/models/cards?kind=checkpoint&name=none").status_code == 422
