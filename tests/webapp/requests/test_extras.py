"""Extras and PNG info at the door: what is asked of a worker, and what is refused."""

import base64
import json
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from tests.webapp.conftest import pretend, write_model
from tests.webapp.requests.request_pictures import encode_grey_picture


def post(house: Any, route: str, body: dict[str, Any]) -> Any:
    return house.client().post(f"/sdapi/v1/{route}", json=body)


def test_a_picture_goes_to_a_worker_and_comes_back(house: Any) -> None:
    body = {"image": encode_grey_picture(), "upscaler_1": "Lanczos", "upscaling_resize": "4"}
    answer = post(house, "extra-single-image", body)
    assert answer.status_code == 200
    picture = Image.open(BytesIO(base64.b64decode(answer.get_json()["image"])))
    assert picture.size == (8, 8)  # the worker here only pretends
    (job,) = house.enlarged
    assert (job.request.factor, job.request.size, job.request.upscaler) == (4, None, "Lanczos")


def test_a_size_and_files_as_upscalers(house: Any) -> None:
    write_model(house.data_dir / "models/ESRGAN/sharp.safetensors")
    house.registry.refresh()
    body = {
        "image": f"data:image/png;base64,{encode_grey_picture()}",
        "resize_mode": 1,
        "upscaling_resize_w": 100,
        "upscaling_resize_h": 50,
        "upscaler_1": "sharp",
        "upscaler_2": "Nearest",
        "extras_upscaler_2_visibility": 0.25,
    }
    assert post(house, "extra-single-image", body).status_code == 200
    wanted = house.enlarged[0].request
    assert (wanted.size, wanted.upscaler, wanted.second_visibility) == ((100, 50), "sharp", 0.25)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"upscaler_1": "R-ESRGAN"}, "upscaler_1: could not find upscaler named R-ESRGAN"),
        ({"upscaler_2": "R-ESRGAN"}, "upscaler_2"),
        ({"gfpgan_visibility": 1.5}, "gfpgan_visibility"),
        ({"codeformer_visibility": -1}, "codeformer_visibility"),
        ({"upscaling_resize": 0}, "upscaling_resize"),
        ({"upscaling_resize": 65}, "upscaling_resize"),
        ({"upscaling_resize_w": 0}, "upscaling_resize_w"),
        ({"extras_upscaler_2_visibility": 2}, "extras_upscaler_2_visibility"),
        ({"image": ""}, "image: Invalid encoded image"),
        ({"image": "http://x/a.png"}, "image"),
        ({"image": base64.b64encode(b"rubbish").decode()}, "image"),
    ],
)
def test_what_cannot_be_done_is_refused(house: Any, changes: dict[str, Any], words: str) -> None:
    answer = post(house, "extra-single-image", {"image": encode_grey_picture(), **changes})
    assert answer.status_code == 422
    assert words in answer.get_json()["detail"]
    assert house.enlarged == []


def test_the_picture_at_fault_in_a_batch_is_named(house: Any) -> None:
    pictures = [{"data": encode_grey_picture(), "name": "a"}, {"data": "zzzz", "name": "b"}]
    answer = post(house, "extra-batch-images", {"imageList": pictures})
    assert answer.status_code == 422
    assert answer.get_json()["detail"].startswith("imageList.1.data: ")


def test_a_drawing_that_webp_cannot_hold_is_a_png_and_told(house: Any) -> None:
    wide = Image.new("RGB", (16384, 1))
    house.client().post("/sdapi/v1/options", json={"samples_format": "webp"})
    house.draw = lambda job: replace(
        pretend(job), pictures=tuple(replace(one, image=wide) for one in pretend(job).pictures)
    )
    told = house.txt2img({"prompt": "a", "width": 64, "height": 64, "steps": 1}).get_json()
    assert Image.open(BytesIO(base64.b64decode(told["images"][0]))).format == "PNG"
    assert "16384 pixels a side" in json.loads(told["info"])["comments"][0]


@pytest.mark.parametrize("form", ["png", "jpg", "webp"])
def test_png_info_reads_every_container(house: Any, form: str) -> None:
    text = "ein Fuchs 狐\nNegative prompt: grau\nSteps: 5, Sampler: Euler, Seed: 3, Size: 8x8"
    told = post(house, "png-info", {"image": encode_grey_picture(text=text, form=form)}).get_json()
    assert told["info"] == text
    assert told["items"] == {}
    assert told["parameters"]["Prompt"] == "ein Fuchs 狐"
    assert told["parameters"]["Size-1"] == "8"


def test_png_info_of_a_picture_without_a_text(house: Any) -> None:
    told = post(house, "png-info", {"image": encode_grey_picture()}).get_json()
    assert told["info"] == ""
    assert told["parameters"]["Clip skip"] == "1"
