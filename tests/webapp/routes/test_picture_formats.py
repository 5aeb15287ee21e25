"""Pictures of every kind through a whole service: each door reads them alike."""

import base64
import json
from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from generator.models.registry import Folders, Registry
from tests.generator.pictures.exif_comments import COMMENTS, with_comment
from tests.generator.pictures.sample_pictures import (
    COLOURED,
    GREY,
    RAMP,
    STEPS,
    TRANSPARENT,
    file,
)

if TYPE_CHECKING:
    from tests.parity.service import Service

BRIGHT = Image.fromarray(255 - STEPS // 2)  # everything is above 255 in 16 bits
EIGHT = base64.b64encode(file(BRIGHT, "PNG")).decode()
SIXTEEN = base64.b64encode(
    file(Image.fromarray(np.asarray(BRIGHT).astype(np.uint16) * 257), "PNG")
).decode()
EVERY = GREY | COLOURED | TRANSPARENT
HEIC = base64.b64encode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic").decode()
SMALL = {"prompt": "a cat", "steps": 1, "width": 64, "height": 64, "seed": 7, "cfg_scale": 1}
EXTRAS = "/sdapi/v1/extra-single-image"


def to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def open_image(text: str) -> Image.Image:
    return Image.open(BytesIO(base64.b64decode(text)))


@pytest.fixture(scope="module")
def modelless(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Service"]:
    """A whole Easel that has no models."""
    from tests.parity.service import run_service  # brings torch

    data_dir = tmp_path_factory.mktemp("easel")
    with run_service(data_dir, Registry(Folders.under(data_dir))) as running:
        yield running


def test_extras_take_pictures_of_every_kind(modelless: "Service") -> None:
    listed = [{"data": to_base64(data), "name": kind} for kind, data in EVERY.items()]
    reply = modelless.post("/sdapi/v1/extra-batch-images", {"imageList": listed})
    assert reply.status == 200, reply.body
    found = dict(zip(EVERY, map(open_image, reply.body["images"]), strict=True))
    assert {image.size for image in found.values()} == {(48, 48)}
    for kind in GREY:
        assert (np.asarray(found[kind].convert("L")) == STEPS).all(), kind
    for kind in TRANSPARENT:
        assert found[kind].mode == "RGBA"


@pytest.mark.parametrize("module", ["none", "canny", "invert", "threshold"])
def test_maps_of_16_bits_are_those_of_8(modelless: "Service", module: str) -> None:
    maps = []
    for picture in (EIGHT, SIXTEEN):
        body = {"controlnet_module": module, "controlnet_input_images": [picture]}
        reply = modelless.post("/controlnet/detect", body)
        assert reply.status == 200, reply.body
        maps.append(open_image(reply.body["images"][0]).tobytes())
    assert maps[0] == maps[1]


def test_maps_are_drawn_of_every_kind(modelless: "Service") -> None:
    pictures = [to_base64(data) for data in EVERY.values()]
    body = {"controlnet_module": "canny", "controlnet_input_images": pictures}
    assert modelless.post("/controlnet/detect", body).status == 200
    for picture in pictures:
        told = modelless.post("/sdapi/v1/png-info", {"image": picture})
        assert (told.status, told.body["info"]) == (200, "")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (EXTRAS, {"image": HEIC}),
        ("/sdapi/v1/extra-batch-images", {"imageList": [{"data": HEIC, "name": "a"}]}),
        ("/sdapi/v1/png-info", {"image": HEIC}),
        ("/sdapi/v1/interrogate", {"image": HEIC}),
        ("/controlnet/detect", {"controlnet_input_images": [HEIC]}),
        ("/sdapi/v1/img2img", {"init_images": [HEIC]}),
        ("/sdapi/v1/img2img", {"init_images": [EIGHT], "mask": HEIC}),
        ("/sdapi/v1/txt2img", {"alwayson_scripts": {"controlnet": {"args": [
            {"enabled": True, "image": HEIC}]}}}),
    ],
)  # fmt: skip
def test_what_is_not_read_is_named_at_every_door(
    modelless: "Service", path: str, body: dict[str, Any]
) -> None:
    reply = modelless.post(path, body)
    assert reply.status == 422
    assert "no picture that is read here: a HEIC picture" in reply.body["detail"]


@pytest.mark.parametrize("kind", COMMENTS)
def test_png_info_reads_comments_of_every_kind(modelless: "Service", kind: str) -> None:
    comment, text = COMMENTS[kind]
    told = modelless.post("/sdapi/v1/png-info", {"image": to_base64(with_comment(comment))})
    assert told.body["info"] == text
    assert told.body["items"] == {}
    if "Seed" in text:
        assert told.body["parameters"]["Seed"] == "42"


def test_a_side_that_webp_cannot_hold_comes_as_png(modelless: "Service") -> None:
    assert modelless.post("/sdapi/v1/options", {"samples_format": "webp"}).status == 200
    try:
        body = {
            "image": to_base64(file(Image.new("RGB", (4096, 8)), "PNG")),
            "upscaler_1": "Nearest",
            "upscaling_resize": 4,
        }
        reply = modelless.post(EXTRAS, body)
        assert reply.status == 200, reply.body
        large = open_image(reply.body["image"])
        assert (large.format, large.width) == ("PNG", 16384)
        assert "16384 pixels a side are more than webp holds" in reply.body["html_info"]
        reply = modelless.post(EXTRAS, body | {"upscaling_resize": 2})
        assert open_image(reply.body["image"]).format == "WEBP"
    finally:
        modelless.post("/sdapi/v1/options", {"samples_format": "png"})


def test_extras_fit_a_size_without_bars(modelless: "Service") -> None:
    body = {
        "image": to_base64(file(Image.new("RGB", (77, 50), "white"), "PNG")),
        "upscaler_1": "Lanczos", "resize_mode": 1,
        "upscaling_resize_w": 40, "upscaling_resize_h": 20,
    }  # fmt: skip
    found = open_image(modelless.post(EXTRAS, body).body["image"])
    assert (found.size, found.getextrema()) == ((40, 20), ((255, 255),) * 3)
    reply = modelless.post(EXTRAS, body | {"upscaler_1": "None"})
    assert open_image(reply.body["image"]).size == (77, 50)
    assert "None enlarges nothing" in reply.body["html_info"]


def draw_pixels(service: "Service", path: str, body: dict[str, Any]) -> bytes:
    reply = service.post(path, SMALL | body)
    assert reply.status == 200, reply.body
    return b"".join(open_image(image).tobytes() for image in reply.body["images"])


def test_what_is_drawn_from_16_bits_is_what_is_drawn_from_8(service: "Service") -> None:
    def control(picture: str) -> dict[str, Any]:
        unit = {"image": picture, "module": "none", "model": "tiny_control_canny"}
        return {"alwayson_scripts": {"controlnet": {"args": [unit]}}}

    for path, body in (
        ("img2img", lambda picture: {"init_images": [picture]}),
        (
            "img2img",
            lambda picture: {"init_images": [to_base64(file(RAMP, "PNG"))], "mask": picture},
        ),
        ("txt2img", control),
    ):
        route = f"/sdapi/v1/{path}"
        assert draw_pixels(service, route, body(EIGHT)) == draw_pixels(
            service, route, body(SIXTEEN)
        )


def test_a_style_stands_behind_a_comment(service: "Service") -> None:
    (service.data_dir / "styles.csv").write_text("name,prompt,negative_prompt\nink,in ink,\n")
    reply = service.post("/sdapi/v1/txt2img", SMALL | {"prompt": "a fox # 1", "styles": ["ink"]})
    assert json.loads(reply.body["info"])["prompt"] == "a fox, in ink"


def test_a_quoted_hires_prompt_comes_back(service: "Service") -> None:
    wanted = {"enable_hr": True, "hr_scale": 1.5, "denoising_strength": 0.5, "hr_prompt": '"a fox"'}
    reply = service.post("/sdapi/v1/txt2img", SMALL | wanted)
    told = service.post("/sdapi/v1/png-info", {"image": reply.body["images"][0]})
    assert told.body["parameters"]["Hires prompt"] == '"a fox"'


def test_plots_take_lines_and_stock_upscalers(service: "Service") -> None:
    info = {
        one["name"]: one
        for one in service.client.get("/sdapi/v1/script-info").get_json()
        if not one["is_img2img"]
    }
    axes = info["x/y/z plot"]["args"][0]["choices"]
    given = [axes.index("Prompt S/R"), "cat\nfox", [], axes.index("Hires upscaler")]
    given += ["R-ESRGAN 4x+", [], 0, "", []]
    args = [*given, False, True, False, False, False, False, False, 0, True]
    wanted = {
        "script_name": "x/y/z plot", "script_args": args, "enable_hr": True, "hr_scale": 1.5,
        "denoising_strength": 0.5,
    }  # fmt: skip
    reply = service.post("/sdapi/v1/txt2img", SMALL | wanted)
    assert reply.status == 200, reply.body
    facts = json.loads(reply.body["info"])
    assert {"a cat", "a fox"} <= set(facts["all_prompts"])
    assert any("R-ESRGAN 4x+ are not here" in comment for comment in facts["comments"])
    args[4] = "Latent\nnobody's"
    refused = service.post("/sdapi/v1/txt2img", SMALL | wanted)
    assert refused.status == 422
    assert "nobody's" in refused.body["detail"]
