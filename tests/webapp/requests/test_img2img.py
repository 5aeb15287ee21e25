"""POST /sdapi/v1/img2img: what reaches the worker, what is echoed, what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from generator.request import Mask, Origin
from tests.webapp.requests.request_pictures import BODY, MASK, PICTURE, png


def post(house: Any, **changes: Any) -> Any:
    """Flask's response to a changed body."""
    return house.client().post("/sdapi/v1/img2img", json={**BODY, **changes})


def origin(house: Any, **changes: Any) -> Origin:
    """What the worker is told of the pictures."""
    answer = post(house, **changes)
    assert answer.status_code == 200, answer.text
    found: Origin = house.jobs[-1].request.origin
    return found


def test_the_apis_defaults_are_not_the_pages(house: Any) -> None:
    found = origin(house, mask=MASK)
    assert found == Origin(images=(PICTURE,), strength=0.75, resize_mode=0, mask=Mask(MASK))
    assert found.mask == Mask(MASK, 4, 4, invert=False, fill=0, only_masked=True, padding=0)
    house.client().post("/sdapi/v1/img2img", json={"init_images": [PICTURE]})
    wanted = house.jobs[-1].request
    assert (wanted.width, wanted.height, wanted.sampling.steps) == (512, 512, 50)
    assert house.jobs[-1].route == "img2img"


@pytest.mark.parametrize(
    ("fields", "blur"),
    [
        ({}, (4, 4)),
        ({"mask_blur": 9}, (9, 9)),
        ({"mask_blur": 0, "mask_blur_x": 3}, (0, 0)),
        ({"mask_blur_x": 1, "mask_blur_y": 2}, (1, 2)),
        ({"mask_blur_x": None, "mask_blur_y": -2}, (4, 0)),
    ],
)
def test_one_blur_sets_both_sides(
    house: Any, fields: dict[str, int], blur: tuple[int, int]
) -> None:
    mask = origin(house, mask=MASK, **fields).mask
    assert mask
    assert (mask.blur_x, mask.blur_y) == blur


def test_every_field_of_a_mask(house: Any) -> None:
    found = origin(
        house,
        mask=f"data:image/png;base64,{MASK}",
        denoising_strength="0.4",
        resize_mode=3,
        inpainting_fill=9,
        inpaint_full_res=0,
        inpaint_full_res_padding=32,
        inpainting_mask_invert=1,
        mask_round=False,
        initial_noise_multiplier=0.8,
    )
    mask = Mask(MASK, invert=True, fill=9, only_masked=False, padding=32, round=False)
    assert found == Origin((PICTURE,), 0.4, 3, mask, 0.8)
    assert origin(house, mask="").mask is None


def test_several_pictures_are_one_batch(house: Any) -> None:
    other = png(colour=20)
    found = origin(house, init_images=[PICTURE, other], batch_size=3)
    assert found.images == (PICTURE, other)
    assert house.jobs[-1].request.batch_size == 2
    origin(house, batch_size=3)
    assert house.jobs[-1].request.batch_size == 3
    answer = post(house, init_images=[PICTURE, other])
    assert answer.status_code == 422
    told = answer.get_json()["detail"]
    assert told == "init_images: bad number of images passed: 2; expecting 1 or less"


def test_the_pictures_are_echoed_where_that_is_asked_for(house: Any) -> None:
    told = post(house, mask=MASK).get_json()["parameters"]
    assert (told["init_images"], told["mask"]) == (None, None)
    told = post(house, mask=MASK, include_init_images=True).get_json()["parameters"]
    assert (told["init_images"], told["mask"]) == ([PICTURE], MASK)


def test_parameters_echo_every_field_in_order(house: Any, goldens: Path) -> None:
    golden = json.loads((goldens / "cases/i2i_two_init.response.json").read_text())
    request = json.loads((goldens / "cases/i2i_two_init.request.json").read_text())
    answer = house.client().post("/sdapi/v1/img2img", json=request["body"])
    ours = answer.get_json()["parameters"]
    assert json.dumps(ours) == json.dumps(golden["body"]["parameters"])


@pytest.mark.parametrize(
    ("fields", "status", "word"),
    [
        ({"init_images": None}, 404, "Init image not found"),
        ({"init_images": []}, 404, "Init image not found"),
        ({"init_images": [""]}, 422, "init_images"),
        ({"init_images": ["!!!notbase64"]}, 422, "init_images: Invalid encoded image"),
        ({"init_images": ["http://127.0.0.1/x.png"]}, 422, "init_images"),
        ({"mask": "aGVsbG8gd29ybGQ="}, 422, "mask: Invalid encoded image"),
        ({"resize_mode": 4}, 422, "resize_mode"),
        ({"denoising_strength": 1.5}, 422, "denoising_strength"),
        ({"mask_blur": 1000}, 422, "mask_blur"),
        ({"inpaint_full_res_padding": -1}, 422, "inpaint_full_res_padding"),
        ({"script_name": "nope"}, 422, "Script 'nope' not found"),
        ({"alwayson_scripts": {"loopback": {"args": []}}}, 422, "selectable script"),
        ({"alwayson_scripts": {"image_link": "file:///etc/passwd"}}, 422, "image_link"),
        ({"alwayson_scripts": {"image_link": 7}}, 422, "image_link"),
    ],
)
def test_refusals_say_why(house: Any, fields: dict[str, Any], status: int, word: str) -> None:
    answer = post(house, **fields)
    assert answer.status_code == status
    assert word in answer.get_json()["detail"]
    assert not house.jobs


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("denoising_strength", "x", "type_error.float"),
        ("include_init_images", None, "type_error.none.not_allowed"),
        ("init_images", "x", "type_error.list"),
        ("mask", ["x"], "type_error.str"),
        ("latent_mask", "x", "value_error.not_implemented"),
    ],
)
def test_faults_name_the_field(house: Any, field: str, value: object, kind: str) -> None:
    answer = post(house, **{field: value})
    assert answer.status_code == 422
    fault = answer.get_json()["detail"][0]
    assert (fault["loc"], fault["type"]) == (["body", field], kind)


def test_pictures_go_to_folders_of_their_own(house: Any) -> None:
    post(house, batch_size=2, save_images=True)
    assert house.jobs[-1].save.samples_dir == "outputs/img2img-images"
    names = sorted(p.name for p in (house.data_dir / "outputs").rglob("*.png"))
    assert names == ["00000-7.png", "00001-8.png", "grid-0000.png"]
    extras = {"save_dir": "/code/stable-diffusion-webui/data-oss/outputs"}
    facts = post(house, alwayson_scripts=extras).get_json()["parameters"]
    assert "/outputs/img2img-images/" in facts["image_url"]


def test_a_task_is_named_after_its_route(house: Any) -> None:
    tasks = []
    whole = house.draw

    def look(job: Any) -> Any:
        tasks.extend(house.client().get("/internal/pending-tasks").get_json()["tasks"])
        tasks.append(house.client().get("/sdapi/v1/progress").get_json()["state"]["job"])
        return whole(job)

    house.draw = look
    post(house)
    assert tasks[0].startswith("task(img2img-")
    assert tasks[1] == "scripts_img2img"
    post(house, force_task_id="mine")
    assert tasks[2] == "mine"
