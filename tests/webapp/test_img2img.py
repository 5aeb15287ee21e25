"""POST /sdapi/v1/img2img: what reaches the worker, what is echoed, what is refused."""

import base64
import io
from typing import Any

import pytest
from PIL import Image

from generator.request import Mask, Origin


def png(size: tuple[int, int] = (8, 8), mode: str = "RGB", colour: Any = 90) -> str:
    """A small picture as base64."""
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


PICTURE, MASK = png(), png(mode="L", colour=255)
SMALL = {"prompt": "a red house", "width": 64, "height": 64, "steps": 2, "seed": 7}
BODY = {**SMALL, "init_images": [PICTURE]}


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
