"""Hires fix, refiner and soft inpainting: from a body's fields to the engine's nouns."""

from typing import Any

import pytest

from generator.request import HiresFix, Refiner, SoftInpainting
from tests.webapp.conftest import write_model
from tests.webapp.requests.request_pictures import MASK, PICTURE

SMALL = {"prompt": "a red house", "width": 64, "height": 96, "steps": 2, "seed": 7}
HIRES = {**SMALL, "enable_hr": True, "denoising_strength": 0.5}


def request_of(house: Any, **changes: Any) -> Any:
    """The request that reaches the worker."""
    answer = house.txt2img({**HIRES, **changes})
    assert answer.status_code == 200, answer.text
    return house.jobs[-1].request


def test_the_usual_second_pass(house: Any) -> None:
    assert request_of(house).hires == HiresFix(strength=0.5)
    assert request_of(house, enable_hr=False).hires is None
    assert request_of(house, enable_hr=None).hires is None


def test_every_field_of_the_second_pass(house: Any) -> None:
    fix = request_of(
        house,
        hr_scale=1.5,
        hr_upscaler="Lanczos",
        hr_second_pass_steps=3,
        hr_resize_x=128,
        hr_resize_y=160,
        hr_checkpoint_name="painter",
        hr_sampler_name="DPM++ 2M",
        hr_scheduler="karras",
        hr_prompt="larger",
        hr_negative_prompt="smaller",
    ).hires
    assert fix == HiresFix(
        strength=0.5,
        scale=1.5,
        resize_width=128,
        resize_height=160,
        upscaler="Lanczos",
        steps=3,
        sampler="DPM++ 2M",
        schedule="Karras",
        prompt="larger",
        negative_prompt="smaller",
        checkpoint="painter.safetensors",
    )


@pytest.mark.parametrize(
    "fields",
    [
        {
            "hr_checkpoint_name": "Use same checkpoint",
            "hr_sampler_name": "Use same sampler",
            "hr_scheduler": "Use same scheduler",
        },
        {"hr_checkpoint_name": "", "hr_sampler_name": "", "hr_scheduler": ""},
        {"hr_prompt": None, "hr_scale": None, "hr_second_pass_steps": None, "hr_resize_x": None},
    ],
)
def test_words_for_the_first_passs_own(house: Any, fields: dict[str, Any]) -> None:
    assert request_of(house, **fields).hires == HiresFix(strength=0.5)


def test_the_pages_first_pass_sizes(house: Any) -> None:
    sizes = {"firstphase_width": 32, "firstphase_height": 48}
    doubled = request_of(house, **sizes)
    assert (doubled.width, doubled.height) == (32, 48)
    assert doubled.hires == HiresFix(strength=0.5)
    fix = request_of(house, **sizes, hr_scale=3).hires
    assert (fix.resize_width, fix.resize_height) == (64, 96)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"denoising_strength": None}, "denoising_strength"),
        ({"hr_upscaler": "nope"}, "could not find upscaler named nope"),
        ({"hr_upscaler": ""}, "could not find upscaler named "),
        ({"hr_checkpoint_name": "nope"}, "Could not find checkpoint with name nope"),
        ({"hr_sampler_name": "nope"}, "hr_sampler_name"),
        ({"hr_scale": 0}, "hr_scale"),
        ({"hr_scale": 64, "width": 4096}, "8192"),
        ({"hr_resize_x": 9000}, "hr_resize_x"),
        ({"hr_resize_x": 4000, "width": 8, "height": 4096}, "8192"),
        ({"hr_scale": 0.01}, "from 8"),
        ({"firstphase_width": 64}, "firstphase_height"),
        ({"hr_second_pass_steps": 5000}, "hr_second_pass_steps"),
        ({"hr_prompt": "a" * 100_000}, "hr_prompt"),
    ],
)
def test_what_cannot_be_enlarged_is_refused(house: Any, fields: dict[str, Any], word: str) -> None:
    answer = house.txt2img({**HIRES, **fields})
    assert answer.status_code == 422
    assert word in answer.get_json()["detail"]
    assert not house.jobs


def test_an_upscaler_may_be_a_file(house: Any) -> None:
    write_model(house.data_dir / "models/ESRGAN/sharp.safetensors")
    assert request_of(house, hr_upscaler="sharp").hires.upscaler == "sharp"


def test_a_refiner_is_a_checkpoint_that_is_here(house: Any) -> None:
    found = request_of(house, refiner_checkpoint="painter", refiner_switch_at=0.8).refiner
    assert found == Refiner("painter.safetensors", 0.8)
    assert request_of(house, refiner_checkpoint="painter").refiner == Refiner(
        "painter.safetensors", 0.0
    )
    for nothing in (None, "", "None"):
        assert request_of(house, refiner_checkpoint=nothing).refiner is None
    for fields, word in (
        ({"refiner_checkpoint": "nope"}, "Could not find checkpoint with name nope"),
        ({"refiner_checkpoint": "painter", "refiner_switch_at": 2}, "refiner_switch_at"),
    ):
        answer = house.txt2img({**SMALL, **fields})
        assert answer.status_code == 422
        assert word in answer.get_json()["detail"]


def test_unknown_names_are_refused_where_the_service_is_strict(build: Any) -> None:
    strict = build(lenient=False)
    for fields, word in (
        ({"sampler_name": "nope"}, "sampler_name: 'nope' is no sampler. Known: DPM++ 2M,"),
        ({"sampler_index": "nope"}, "sampler_index"),
        ({"scheduler": "nope"}, "scheduler: 'nope' is no schedule. Known: Automatic,"),
        ({**HIRES, "hr_scheduler": "nope"}, "hr_scheduler"),
    ):
        answer = strict.txt2img({**SMALL, **fields})
        assert answer.status_code == 422
        assert word in answer.get_json()["detail"]


def soft(house: Any, *args: Any) -> Any:
    """Flask's response to an inpainting with these arguments of soft inpainting."""
    scripts = {"Soft Inpainting": {"args": list(args)}}
    body = {**SMALL, "init_images": [PICTURE], "mask": MASK, "alwayson_scripts": scripts}
    return house.client().post("/sdapi/v1/img2img", json=body)


def test_soft_inpainting_is_six_numbers_behind_a_switch(house: Any) -> None:
    assert soft(house, True, 2, 0.25, 8, 0.5, 1, 3).status_code == 200
    assert house.jobs[-1].request.soft_inpainting == SoftInpainting(2, 0.25, 8, 0.5, 1, 3)
    for args in ((), (False, 2), (None,)):
        assert soft(house, *args).status_code == 200
        assert house.jobs[-1].request.soft_inpainting is None
    assert soft(house, True, 2).status_code == 200
    assert house.jobs[-1].request.soft_inpainting == SoftInpainting(2)


@pytest.mark.parametrize("args", [(True, 9), (True, 1, "x"), (True, 1, 0.5, 0), (True, True)])
def test_soft_inpaintings_numbers_have_ranges(house: Any, args: tuple[Any, ...]) -> None:
    answer = soft(house, *args)
    assert answer.status_code == 422
    assert "soft inpainting" in answer.get_json()["detail"]


def test_soft_inpainting_is_no_script_of_txt2img(house: Any) -> None:
    answer = house.txt2img({**SMALL, "alwayson_scripts": {"soft inpainting": {"args": []}}})
    assert answer.status_code == 422
    assert answer.get_json()["detail"] == "Script 'soft inpainting' not found"


def test_the_old_way_to_size_a_second_pass(house: Any) -> None:
    house.options.update({"use_old_hires_fix_width_height": True})
    wanted = request_of(house, width=1024, height=768)
    assert (wanted.width, wanted.height) == (640, 448)
    assert (wanted.hires.resize_width, wanted.hires.resize_height) == (1024, 768)
    wanted = request_of(house, width=1024, height=768, enable_hr=False)
    assert (wanted.width, wanted.height) == (1024, 768)


def test_a_format_that_cannot_be_saved_is_refused_before_drawing(house: Any) -> None:
    override = {"override_settings": {"samples_format": "avif"}}
    assert house.txt2img({**SMALL, **override}).status_code == 200
    assert len(house.jobs) == 1
    for saved in ({"save_images": True}, {"alwayson_scripts": {"save_dir": "outputs"}}):
        answer = house.txt2img({**SMALL, **override, **saved})
        assert answer.status_code == 422
        assert "samples_format" in answer.get_json()["detail"]
    assert len(house.jobs) == 1
