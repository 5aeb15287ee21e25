"""Which picture a unit looks at (contract section 10.3)."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from generator.control.inputs import read_input
from generator.errors import BadRequest
from generator.request import ControlUnit, GenerationRequest, Mask, Origin, Seeds, Snapshot
from tests.generator.control.conftest import encode_pixels

RED, BLUE = (
    encode_pixels(Image.new("RGB", (40, 30), "red")),
    encode_pixels(Image.new("RGB", (64, 48), "blue")),
)


def request(**fields: object) -> GenerationRequest:
    return GenerationRequest("", Seeds(1), width=64, height=64, **fields)


def box(size: tuple[int, int] = (64, 48)) -> str:
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).rectangle((16, 16, 31, 31), fill=255)
    return encode_pixels(mask)


def test_its_own_picture_before_the_job_s() -> None:
    job = request(origin=Origin((BLUE,), resize_mode=2))
    own = read_input(ControlUnit(image=RED), job)
    assert own.pixels.shape == (30, 40, 3)
    assert own.resize_mode == "Crop and Resize"
    borrowed = read_input(ControlUnit(), job)
    assert borrowed.pixels[0, 0].tolist() == [0, 0, 255]
    assert borrowed.resize_mode == "Resize and Fill"


def test_no_picture_is_an_error() -> None:
    with pytest.raises(BadRequest, match="no input image"):
        read_input(ControlUnit(), request())


def test_what_is_transparent_is_white() -> None:
    clear = encode_pixels(Image.new("RGBA", (8, 8), (255, 0, 0, 0)))
    assert read_input(ControlUnit(image=clear), request()).pixels.min() == 255


def test_a_scribbled_mask_is_the_picture() -> None:
    scribbled = read_input(ControlUnit(image=BLUE, mask=box()), request())
    assert scribbled.pixels.shape == (48, 64, 3)
    assert set(np.unique(scribbled.pixels)) == {0, 255}
    empty = encode_pixels(Image.new("L", (64, 48)))
    assert read_input(ControlUnit(image=BLUE, mask=empty), request()).pixels[0, 0, 2] == 255
    ignoring = request(options=Snapshot(controlnet_ignore_noninpaint_mask=True))
    assert read_input(ControlUnit(image=BLUE, mask=box()), ignoring).pixels[0, 0, 2] == 255


def test_inpainting_reads_the_mask_beside_the_picture() -> None:
    unit = ControlUnit("inpaint_only", image=BLUE, mask=box((128, 96)))
    given = read_input(unit, request())
    assert given.module.name == "inpaint_only"
    assert given.pixels.shape == (48, 64, 4)
    assert given.pixels[12, 12].tolist() == [0, 0, 255, 255]
    bare = read_input(ControlUnit("inpaint_only", image=BLUE), request())
    assert not bare.pixels[..., 3].any()


def test_in_the_job_s_own_inpainting_only_the_model_acts() -> None:
    mask = Mask(box(), blur_x=0, blur_y=0, only_masked=False)
    given = read_input(ControlUnit("inpaint_only"), request(origin=Origin((BLUE,), mask=mask)))
    assert given.module.name == "inpaint"
    assert given.pixels[20, 20, 3] == 255
    assert given.pixels[0, 0, 3] == 0


def test_only_masked_jobs_cut_the_picture_as_they_cut_theirs() -> None:
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[16:32, 16:32] = (0, 255, 0)
    mask = Mask(box(), blur_x=0, blur_y=0, padding=0)
    job = request(origin=Origin((BLUE,), mask=mask))
    unit = ControlUnit(image=encode_pixels(pixels), resize_mode="Just Resize")
    cut = read_input(unit, job)
    assert cut.pixels.shape == (64, 64, 3)
    assert cut.pixels[32, 32].tolist() == [0, 255, 0]
    assert (cut.pixels[..., 1] > 200).mean() > 0.85
    whole = ControlUnit(image=encode_pixels(pixels), inpaint_crop_input_image=False)
    assert read_input(whole, job).pixels.shape == (48, 64, 3)
    reference = ControlUnit("reference_only", image=encode_pixels(pixels))
    assert read_input(reference, job).pixels.shape == (48, 64, 3)
