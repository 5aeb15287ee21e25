"""AUTOMATIC1111's stock names of upscalers at every door that takes one."""

from typing import Any

import pytest

from generator.scripts.catalogue import SD_UPSCALE
from tests.webapp.conftest import write_model
from tests.webapp.requests.request_pictures import encode_grey_picture

SMALL = {"prompt": "a", "steps": 1, "width": 64, "height": 64}
STOCK = (
    "R-ESRGAN 4x+", "R-ESRGAN 4x+ Anime6B", "R-ESRGAN 2x+", "ESRGAN_4x", "SwinIR_4x", "SwinIR 4x",
    "ScuNET PSNR", "ScuNET GAN", "LDSR", "DAT x2", "DAT x3", "DAT x4", "R-ESRGAN General 4xV3",
)  # fmt: skip
FILES = ("ESRGAN/RealESRGAN_x4plus", "SwinIR/SwinIR_4x", "ScuNET/scunet_color_real_psnr")


def ask(house: Any, door: str, name: str) -> Any:
    """The answer of a door that is given the upscaler ``name``."""
    picture = encode_grey_picture(64, 64)
    route, body = {
        "hires": (
            "txt2img",
            {"enable_hr": True, "hr_upscaler": name, "denoising_strength": 0.5},
        ),
        "img2img": (
            "img2img",
            {"init_images": [picture], "override_settings": {"upscaler_for_img2img": name}},
        ),
        "script": (
            "img2img",
            {
                "init_images": [picture],
                "script_name": SD_UPSCALE,
                "script_args": [None, 8, name, 2.0],
            },
        ),
        "extras": ("extra-single-image", {"image": picture, "upscaler_1": name}),
    }[door]
    body = body if door == "extras" else SMALL | body
    return house.client().post(f"/sdapi/v1/{route}", json=body)


def used(house: Any, door: str) -> str:
    """The upscaler that the worker was last asked for."""
    if door == "extras":
        return house.enlarged[-1].request.upscaler
    request = house.jobs[-1].request
    if door == "hires":
        return request.hires.upscaler
    return request.script.arguments[2] if door == "script" else request.options.upscaler_for_img2img


def told(house: Any, door: str) -> str:
    """What the worker was last asked to tell."""
    return " ".join((house.enlarged if door == "extras" else house.jobs)[-1].request.remarks)


@pytest.fixture(params=["hires", "img2img", "script", "extras"])
def door(request: pytest.FixtureRequest) -> str:
    return request.param


def test_without_files_lanczos_draws_and_that_is_told(build: Any, door: str) -> None:
    house = build()
    for name in STOCK:
        answer = ask(house, door, name)
        assert answer.status_code == 200, answer.text
        assert used(house, door) == "Lanczos"
        assert f"the weights of {name} are not here; enlarged with Lanczos." in told(house, door)


def test_the_file_of_that_name_draws_else_the_nearest(build: Any, door: str) -> None:
    house = build()
    for file in FILES:
        write_model(house.data_dir / f"models/{file}.safetensors")
    house.registry.refresh()
    for name in ("R-ESRGAN 4x+", "SwinIR_4x", "SwinIR 4x", "ScuNET PSNR"):
        answer = ask(house, door, name)
        assert (answer.status_code, used(house, door)) == (200, name), answer.text
        assert "not here" not in told(house, door)
    for name, nearest in (("ScuNET GAN", "ScuNET PSNR"), ("ESRGAN_4x", "R-ESRGAN 4x+")):
        answer = ask(house, door, name)
        assert (answer.status_code, used(house, door)) == (200, nearest)
        assert f"the weights of {name} are not here; enlarged with {nearest}" in told(house, door)


def test_strictly_a_stock_name_without_its_file_is_refused(build: Any, door: str) -> None:
    house = build(lenient=False)
    answer = ask(house, door, "R-ESRGAN 4x+")
    assert answer.status_code == 422
    assert "could not find upscaler named R-ESRGAN 4x+" in answer.get_json()["detail"]
