"""Masks made ready for a job."""

import pytest
from PIL import Image

from generator.errors import BadRequest
from generator.img2img.inpaint_mask import make_inpaint_mask
from generator.request import KEEP_ORIGINAL, Mask, Origin
from tests.webapp.requests.request_pictures import png


def test_a_picture_of_another_size_cannot_be_filled() -> None:
    mask = Mask(png((16, 16), "L", 255), only_masked=False)
    made = make_inpaint_mask(mask, Origin(("",), resize_mode=3), (32, 32))
    assert made
    picture = Image.new("RGB", (20, 20))
    with pytest.raises(BadRequest, match="20x20") as refusal:
        made.crop_and_fill(picture, (32, 32), fill=0)
    assert refusal.value.field == "resize_mode"
    assert made.crop_and_fill(picture, (32, 32), KEEP_ORIGINAL) is picture
