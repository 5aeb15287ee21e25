"""What a request asks for and does not get is told in ``info.comments``, through a real worker."""

import base64
import json
from typing import Any

import pytest

from generator.pictures.base64_images import read_base64
from generator.pictures.picture_files import encode_picture
from tests.image_compare import is_same_drawing
from tests.parity.service import Service

SMALL: dict[str, Any] = {"width": 64, "height": 64, "steps": 2, "prompt": "a red cat", "seed": 7}
CANNY = "tiny_control_canny"


def draw(service: Service, **changes: Any) -> tuple[Any, dict[str, Any]]:
    """The first picture and ``info``."""
    reply = service.post("/sdapi/v1/txt2img", {**SMALL, **changes})
    assert reply.status == 200, reply.body
    return read_base64(reply.body["images"][0], "images"), json.loads(reply.body["info"])


@pytest.mark.parametrize(
    "tag",
    [
        *("<lora:tinylora:0,5>", "<lora:tinylora:abc>", "<lora:tinylora:1@0.5>"),
        *("<lora:tinylora:0.5:start=3>", "<lora:tinylora:nan>", "<lora:tinylora:1:inf>"),
        *("<lyco:tinyloha:0.5.1>", "<lora:tinylora:>", "<lora:tinylora:te=x>"),
        *("<hypernet:tinyhyper:nan>", "<hypernet:tinyhyper:0,7>", "<foo:bar:1>"),
    ],
)
def test_strengths_that_cannot_be_read(service: Service, tag: str) -> None:
    plain, quiet = draw(service)
    assert "comments" not in quiet
    picture, info = draw(service, prompt=SMALL["prompt"] + tag)
    assert is_same_drawing(picture, plain)
    inner = tag.strip("<>") if "foo" in tag else tag.strip("<>").partition(":")[2]
    assert any(said.endswith(f"not read: {inner}") for said in info["comments"])
    assert "not read: " not in info["infotexts"][0]


def test_the_readable_ones_beside_it_are_applied(service: Service) -> None:
    alone, _ = draw(service, prompt="a red cat<lora:tinyloha:1>")
    both, info = draw(service, prompt="a red cat<lora:tinylora:x><lora:tinyloha:1>")
    assert is_same_drawing(both, alone)
    assert info["comments"] == ["Lora strength not read: tinylora:x"]


def test_unknown_styles(service: Service) -> None:
    _, info = draw(service, styles=["nowhere", "None", "neither"])
    assert info["comments"] == ["Style not found: nowhere, neither"]


def draw_with_units(service: Service, *units: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A drawing with ControlNet units."""
    return draw(service, alwayson_scripts={"controlnet": {"args": list(units)}})


def test_units_that_do_not_say_enabled(service: Service) -> None:
    plain, _ = draw(service)
    image = base64.b64encode(encode_picture(plain)).decode()
    unit = {"image": image, "module": "canny", "model": CANNY}
    on, info = draw_with_units(service, unit)
    assert "ControlNet 0" in info["infotexts"][0]
    said, _ = draw_with_units(service, {**unit, "enabled": True})
    assert is_same_drawing(on, said)
    assert not is_same_drawing(on, plain)
    off, quiet = draw_with_units(service, {**unit, "enabled": False}, {"module": "none"})
    assert is_same_drawing(off, plain)
    assert "comments" not in quiet
    _, told = draw_with_units(service, {"image": image, "module": "canny"})
    assert "names no model" in told["comments"][0]
    _, many = draw_with_units(service, {}, {}, {}, unit)
    assert "args[3]: not read" in many["comments"][0]
