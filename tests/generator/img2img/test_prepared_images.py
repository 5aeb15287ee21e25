"""From pictures to the start of sampling and back, with a VAE of a few lines."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from generator.errors import BadRequest
from generator.img2img.finisher import Finisher, make_finisher
from generator.img2img.init_images import (
    BLANK_MASK_REMARK,
    PreparedImages,
    img2img_notes,
    prepare_init_images,
)
from generator.img2img.inpaint_mask import make_inpaint_mask
from generator.pictures.base64_images import write_base64
from generator.request import (
    GenerationRequest,
    Mask,
    Origin,
    Seeds,
    Snapshot,
    SoftInpainting,
)
from generator.sampling.noise import make_random_source
from tests.generator.pictures.pixel_vae import PixelVae, flat

SIDE = 64
BOX = (16, 24, 40, 48)
GREY = Image.new("RGB", (SIDE, SIDE), (120, 120, 120))
REQUEST = GenerationRequest("a", Seeds(5), width=SIDE, height=SIDE)


def noise_picture(width: int = SIDE, height: int = SIDE, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels)


def box_mask(size: tuple[int, int] = (SIDE, SIDE), box: tuple[int, ...] = BOX) -> Image.Image:
    mask = Image.new("L", size)
    mask.paste(255, box)
    return mask


def masked(**changes: Any) -> Mask:
    usual = {"blur_x": 0, "blur_y": 0, "only_masked": False, "fill": 1}
    return Mask(write_base64(changes.pop("image", box_mask())), **(usual | changes))


def prepared(
    *pictures: Image.Image, request: GenerationRequest = REQUEST, **origin: Any
) -> PreparedImages:
    texts = tuple(write_base64(picture) for picture in pictures or (GREY,))
    start = Origin(texts, **origin)
    return prepare_init_images(replace(request, origin=start), start, PixelVae())


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([0, 1, 2, 3]))
@settings(max_examples=20)
def test_the_start_has_the_size_of_the_job_whatever_was_sent(width, height, mode: int) -> None:
    sent = noise_picture(width * 8, height * 8)
    found = prepared(sent, resize_mode=mode)
    assert found.start.latent.shape == (1, 4, SIDE // 8, SIDE // 8)
    assert found.encoded_images[0].size == (sent.size if mode == 3 else (SIDE, SIDE))


def test_one_picture_serves_a_whole_batch_and_is_encoded_once() -> None:
    vae = PixelVae()
    origin = Origin((write_base64(GREY),))
    found = prepare_init_images(replace(REQUEST, batch_size=3), origin, vae)
    assert found.start.latent.shape[0] == len(found.encoded_images) == 3
    assert vae.rows == [1]
    assert found.concat.pixels is not None
    assert len(found.concat.pixels) == 1


def test_each_picture_of_a_batch_may_have_its_own_start() -> None:
    found = prepared(flat(0, SIDE), flat(255, SIDE), request=replace(REQUEST, batch_size=2))
    assert found.start.latent[:, 0, 0, 0].tolist() == pytest.approx([-0.2, 0.2])
    assert found.concat.pixels is not None
    assert len(found.concat.pixels) == 2


@pytest.mark.parametrize("batch", [1, 3, 4])
def test_another_number_of_pictures_than_the_batch_is_refused(batch: int) -> None:
    with pytest.raises(BadRequest, match=f"2; expecting {batch} or less") as refusal:
        prepared(GREY, GREY, request=replace(REQUEST, batch_size=batch))
    assert refusal.value.field == "init_images"


def test_what_is_transparent_starts_from_the_backgrounds_colour() -> None:
    clear = Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0))
    options = Snapshot(img2img_background_color="#ff0000")
    found = prepared(clear, request=replace(REQUEST, options=options))
    assert found.originals[0].getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(("fill", "inside"), [(1, "as it is"), (2, "noise"), (3, "nothing")])
def test_what_lies_under_the_mask_at_the_start(fill: int, inside: str) -> None:
    found = prepared(flat(255, SIDE), mask=masked(fill=fill)).start
    plain = prepared(flat(255, SIDE)).start.latent
    assert found.mask is not None
    white = found.mask[0, 0] == 1
    assert torch.equal(found.latent[..., ~white], plain[..., ~white])
    noise = make_random_source(5, "CPU")((4, 8, 8))
    if inside == "as it is":
        assert torch.equal(found.latent, plain)
    elif inside == "noise":
        assert torch.allclose(found.latent[0][:, white], noise[:, white])
    else:
        assert not found.latent[..., white].any()


def test_filling_paints_the_surroundings_under_the_mask() -> None:
    picture = Image.new("RGB", (SIDE, SIDE), (0, 200, 0))
    picture.paste((255, 0, 0), BOX)
    found = prepared(picture, mask=masked(fill=0))
    assert found.encoded_images[0].getpixel((28, 36)) == (0, 200, 0)
    assert found.originals[0].getpixel((28, 36)) == (255, 0, 0)


def test_latent_noise_under_the_mask_is_each_pictures_own() -> None:
    request = replace(REQUEST, batch_size=2)
    found = prepared(GREY, request=request, mask=masked(fill=2)).start
    white = found.mask[0, 0] == 1
    for row, seed in enumerate((5, 6)):
        noise = make_random_source(seed, "CPU")((4, 8, 8))
        assert torch.allclose(found.latent[row][:, white], noise[:, white])


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("only_masked", [False, True])
def test_masks_are_one_where_to_repaint(invert: bool, only_masked: bool) -> None:
    mask = make_inpaint_mask(
        masked(invert=invert, only_masked=only_masked), Origin(("",)), (SIDE, SIDE)
    )
    assert mask is not None
    cells, pixels = mask.to_latent_mask((8, 8)), mask.to_pixel_mask()
    assert set(np.unique(cells)) <= {0.0, 1.0}
    assert cells.shape == (1, 1, 8, 8)
    assert pixels.shape == (1, 1, SIDE, SIDE)
    assert (mask.box is None) != only_masked
    whole = only_masked and not invert  # the box is the mask itself, enlarged
    assert float(pixels[0, 0, 36, 28]) == float(not invert)
    assert float(pixels[0, 0, 0, 0]) == float(invert or whole)


@pytest.mark.parametrize(("level", "veiled"), [(0, 0), (40, 80), (128, 255), (255, 255)])
def test_what_is_half_repainted_is_wholly_lifted_out_of_the_veil(level: int, veiled: int) -> None:
    grey = Image.new("L", (SIDE, SIDE), level)
    mask = make_inpaint_mask(masked(image=grey), Origin(("",)), (SIDE, SIDE))
    assert mask is not None
    assert mask.inner.getextrema() == (level, level)
    assert mask.outer.getextrema() == (veiled, veiled)


@given(st.integers(0, 30))
@settings(max_examples=10)
def test_padding_shows_more_around_what_is_repainted(padding: int) -> None:
    mask = make_inpaint_mask(masked(only_masked=True, padding=padding), Origin(("",)), (SIDE, SIDE))
    assert mask is not None
    left, top, right, bottom = mask.box
    assert (left, top) == (max(BOX[0] - padding, 0), max(BOX[1] - padding, 0))
    share = (BOX[2] - BOX[0]) * (BOX[3] - BOX[1]) / ((right - left) * (bottom - top))
    assert float(mask.to_pixel_mask().mean()) == pytest.approx(share, abs=0.1)


def test_a_soft_mask_keeps_its_grey_levels() -> None:
    grey = box_mask().point(lambda value: 128 if value else 0)
    request = replace(REQUEST, soft_inpainting=SoftInpainting())
    soft = prepared(GREY, request=request, mask=masked(image=grey)).start
    hard = prepared(GREY, mask=masked(image=grey)).start
    assert soft.soft is not None
    assert 0.4 < float(soft.mask.max()) < 0.6
    assert set(np.unique(hard.mask)) == {0.0, 1.0}


def test_a_blank_mask_is_told_and_the_job_is_plain_img2img() -> None:
    black = Image.new("L", (SIDE, SIDE))
    found = prepared(GREY, mask=masked(image=black, only_masked=True))
    assert found.remarks == (BLANK_MASK_REMARK,)
    assert (found.inpaint_mask, found.overlays, found.start.mask) == (None, (), None)


def test_sampling_may_repaint_something_else_than_the_picture() -> None:
    other = box_mask(box=(0, 0, 16, 16))
    found = prepared(GREY, mask=masked(latent=write_base64(other))).start
    assert float(found.mask[0, 0, 0, 0]) == 1
    assert float(found.mask[0, 0, 4, 3]) == 0


@pytest.mark.parametrize("mode", [0, 1, 2])
def test_a_mask_follows_its_picture_to_the_size_of_the_job(mode: int) -> None:
    """Left half white, twice as wide as high: stretched, cut at both sides, or fitted."""
    mask = make_inpaint_mask(
        masked(image=box_mask((128, 64), (0, 0, 64, 64))),
        Origin(("",), resize_mode=mode),
        (SIDE, SIDE),
    )
    assert mask is not None
    row = mask.to_pixel_mask()[0, 0, SIDE // 2]
    assert float(row[: SIDE // 2 - 1].min()) == 1
    assert float(row[SIDE // 2 + 1 :].max()) == 0


def finisher(
    picture: Image.Image, request: GenerationRequest = REQUEST, **origin: Any
) -> tuple[Finisher, PreparedImages]:
    ready = prepared(picture, request=request, **origin)
    start = Origin((write_base64(picture),), **origin)
    return make_finisher(replace(request, origin=start), ready), ready


RED = Image.new("RGB", (SIDE, SIDE), (255, 0, 0))


def finish(made: Finisher, ready: PreparedImages, image: Image.Image = RED) -> np.ndarray:
    return np.asarray(made.for_batch(ready.start.latent, 4)(image, 0))


def test_without_a_mask_nothing_is_laid_over() -> None:
    made, ready = finisher(GREY)
    assert made.for_batch(ready.start.latent, 0)(RED, 0) is RED
    assert (made.maps, made.extra_images) == ([], [])


@pytest.mark.parametrize("only_masked", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_what_was_not_masked_is_the_original_to_the_bit(only_masked: bool, seed: int) -> None:
    picture = noise_picture(seed=seed)
    made, ready = finisher(picture, mask=masked(only_masked=only_masked))
    found = finish(made, ready)
    inside = np.zeros((SIDE, SIDE), bool)
    inside[BOX[1] : BOX[3], BOX[0] : BOX[2]] = True
    assert (found[~inside] == np.asarray(picture)[~inside]).all()
    assert (found[inside] == [255, 0, 0]).all()


def test_a_masked_part_of_a_larger_original_goes_back_to_its_place() -> None:
    picture = noise_picture(160, 120)
    mask = masked(image=box_mask((160, 120), (100, 60, 140, 100)), only_masked=True)
    made, ready = finisher(picture, mask=mask)
    found = finish(made, ready)
    assert found.shape == (120, 160, 3)
    assert (found[60:100, 100:140] == [255, 0, 0]).all()
    assert (found[:60] == np.asarray(picture)[:60]).all()


def test_an_overlay_that_is_not_wanted_shows_all_that_was_drawn() -> None:
    request = replace(REQUEST, options=Snapshot(overlay_inpaint=False, return_mask=True))
    made, ready = finisher(noise_picture(), request, mask=masked())
    assert (finish(made, ready) == [255, 0, 0]).all()
    assert len(made.maps) == 1


def test_masks_are_answered_and_saved_as_the_options_ask() -> None:
    options = Snapshot(
        return_mask=True, save_mask=True, return_mask_composite=True, save_mask_composite=True
    )
    made, ready = finisher(noise_picture(), replace(REQUEST, options=options), mask=masked())
    finish(made, ready)
    assert [image.mode for image in made.maps] == ["RGB", "RGBA"]
    assert [(each.suffix, each.picture) for each in made.extra_images] == [
        ("mask", 4),
        ("mask-composite", 4),
    ]
    mask, composite = (np.asarray(image) for image in made.maps)
    assert (mask[36, 28] == 255).all()
    assert not mask[0, 0].any()
    assert composite[36, 28].tolist() == [255, 0, 0, 255]
    assert composite[0, 0, 3] == 0


@pytest.mark.parametrize("mask", [None, masked()])
def test_colours_are_corrected_before_the_overlay_and_the_plain_picture_is_kept(mask) -> None:
    options = Snapshot(img2img_color_correction=True, save_images_before_color_correction=True)
    picture = noise_picture()
    made, ready = finisher(picture, replace(REQUEST, options=options), mask=mask)
    drawn = noise_picture(seed=9).point(lambda value: value // 4)
    found = finish(made, ready, drawn)
    (aside,) = made.extra_images
    assert (aside.suffix, aside.picture) == ("before-color-correction", 4)
    assert not np.array_equal(found, np.asarray(aside.image))
    if mask is not None:  # both have their veil
        assert (found[0, 0] == np.asarray(picture)[0, 0]).all()
        assert (np.asarray(aside.image)[0, 0] == np.asarray(picture)[0, 0]).all()


def test_colours_to_keep_may_be_another_pictures() -> None:
    options = Snapshot(img2img_color_correction=True)
    red, green, blue = noise_picture().split()
    leaves = Image.merge("RGB", (red.point(lambda v: v // 4), green, blue.point(lambda v: v // 4)))
    made, ready = finisher(GREY, replace(REQUEST, options=options), colours=write_base64(leaves))
    found = finish(made, ready, noise_picture(seed=9)).astype(int)
    assert found[..., 1].mean() > 1.5 * found[..., 0].mean()


def test_soft_inpainting_shows_what_moved_and_veils_what_did_not() -> None:
    request = replace(REQUEST, soft_inpainting=SoftInpainting())
    picture = noise_picture()
    made, ready = finisher(picture, request, mask=masked(image=box_mask(box=(0, 0, SIDE, SIDE))))
    moved = ready.start.latent.clone()
    moved[..., 6:] += 9.0  # it spreads by four cells at most
    found = np.asarray(made.for_batch(moved, 0)(RED, 0))
    assert np.abs(found[:, -8:].astype(int) - [255, 0, 0]).max() <= 4
    assert np.abs(found[:, :8].astype(int) - np.asarray(picture)[:, :8]).mean() < 3


@pytest.mark.parametrize(
    ("origin", "options", "entries"),
    [
        ({}, {}, {}),
        ({"strength": 0.3}, {}, {"Denoising strength": 0.3}),
        ({"noise_multiplier": 1.1}, {}, {"Noise multiplier": 1.1}),
        ({}, {"initial_noise_multiplier": 0.9}, {"Noise multiplier": 0.9}),
        ({"noise_multiplier": 1.0}, {"initial_noise_multiplier": 0.9}, {}),
        ({}, {"img2img_extra_noise": 0.2}, {"Extra noise": 0.2}),
        ({"mask": masked()}, {}, {}),
        ({"mask": masked(fill=0)}, {}, {"Masked content": "fill"}),
        ({"mask": masked(invert=True)}, {}, {"Mask mode": "Inpaint not masked"}),
        ({"mask": masked(blur_x=3, blur_y=3)}, {}, {"Mask blur": 3}),
        (
            {"mask": masked(only_masked=True, padding=8)},
            {},
            {"Inpaint area": "Only masked", "Masked area padding": 8},
        ),
    ],
)
def test_the_infotext_tells_what_is_not_usual(origin: dict, options: dict, entries: dict) -> None:
    request = replace(REQUEST, options=Snapshot(**options))
    ready = prepared(GREY, request=request, **origin)
    start = Origin(("",), **origin)
    found = img2img_notes(replace(request, origin=start), ready)
    assert found == {"Denoising strength": 0.75} | entries


def test_soft_inpainting_is_told_with_all_its_numbers_first() -> None:
    soft = SoftInpainting(2, 0.25, 8, 0.5, 1.5, 3)
    request = replace(REQUEST, soft_inpainting=soft, origin=Origin(("",)))
    found = img2img_notes(request, prepared(GREY))
    assert list(found.values()) == [True, 2, 0.25, 8, 0.5, 1.5, 3, 0.75]
    assert next(iter(found)) == "Soft inpainting enabled"


def test_a_pictures_own_size_is_kept_where_only_a_part_is_drawn() -> None:
    big = noise_picture(160, 120)
    mask = masked(image=box_mask((160, 120), (100, 60, 140, 100)), only_masked=True)
    found = prepared(big, mask=mask)
    assert found.originals[0].size == (160, 120)
    assert found.encoded_images[0].size == (SIDE, SIDE)
    assert found.box == (100, 60, 140, 100)
    # what checkpoints with more channels read has the size that is drawn
    assert found.concat.size == (8, 8)
    assert found.concat.mask is not None
    assert found.concat.mask.shape == (1, 1, SIDE, SIDE)
