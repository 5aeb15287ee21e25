"""img2img and inpainting: from the pictures given to where sampling starts, and back.

Contract sections 5.2 and 5.3.
"""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from generator.errors import BadRequest
from generator.pictures.latents import FACTOR, encode
from generator.pictures.masks import Box, blur, crop_box, fill_masked, read_mask, veil
from generator.pictures.resizing import CROP, FILL, resize_image, resize_latent
from generator.pictures.saving import open_picture
from generator.request import GenerationRequest, Mask, Origin
from generator.sampling.noise import PictureNoise, generator
from generator.sampling.sample import Start

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

LATENT_RESIZE = 3
FILLED, ORIGINAL, LATENT_NOISE, LATENT_NOTHING = 0, 1, 2, 3
CONTENTS = {FILLED: "fill", LATENT_NOISE: "latent noise", LATENT_NOTHING: "latent nothing"}


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Where a batch starts, and what is laid over its pictures afterwards."""

    start: Start
    veils: tuple[Image.Image, ...] = ()  # RGBA, one a picture; none for plain img2img
    box: Box | None = None  # of the originals, where only the masked part was worked on

    def overlay(self, image: Image.Image, row: int) -> Image.Image:
        """A finished picture under what stays of its original."""
        if not self.veils:
            return image
        over = self.veils[row]
        under = Image.new("RGBA", over.size)
        if self.box is None:
            under = image.convert("RGBA")
        else:
            left, top, right, bottom = self.box
            part = resize_image(image, (right - left, bottom - top), CROP)
            under.paste(part, (left, top))
        under.alpha_composite(over)
        return under.convert("RGB")


@dataclass(frozen=True, slots=True)
class Stencil:
    """A mask made ready for one job."""

    inner: Image.Image  # of the size that is drawn
    outer: Image.Image  # of the originals' size: what is veiled
    box: Box | None


def prepare(
    request: GenerationRequest, origin: Origin, vae: "AutoencoderKL", noise: PictureNoise
) -> Prepared:
    """The start of one batch. Raises :class:`BadRequest` for pictures that cannot be read."""
    size = (request.width, request.height)
    images = _read_images(request, origin)
    stencil = _stencil(origin, size, images[0].size)
    fitted, veils = [], []
    for image in images:
        whole = image
        if not (stencil and stencil.box) and origin.resize_mode != LATENT_RESIZE:
            whole = resize_image(image, size, origin.resize_mode)
        if stencil:
            outer = stencil.outer
            if outer.size != whole.size:
                outer = resize_image(outer, whole.size, origin.resize_mode).convert("L")
            veils.append(veil(whole, outer))
            whole = _inner(whole, stencil, origin, size)
        fitted.append(whole)
    latent = _latents(vae, fitted, size, origin)
    mask = _latent_mask(stencil, origin, latent) if stencil else None
    return Prepared(
        start=Start(
            latent=latent if mask is None else _content(latent, mask, origin, noise),
            strength=origin.strength,
            fixed_steps=request.options.img2img_fix_steps,
            mask=mask,
            noise_multiplier=_multiplier(request, origin),
        ),
        veils=tuple(veils) if request.options.overlay_inpaint else (),
        box=stencil.box if stencil else None,
    )


def origin_notes(request: GenerationRequest, prepared: Prepared) -> dict[str, object]:
    """The infotext's keys of an img2img job, in AUTOMATIC1111's order."""
    origin = request.origin
    assert origin is not None
    notes: dict[str, object] = {"Denoising strength": origin.strength}
    if origin.mask is not None:
        notes |= _mask_notes(origin.mask, prepared)
    multiplier = _multiplier(request, origin)
    if multiplier != 1.0:
        notes["Noise multiplier"] = multiplier
    if request.options.img2img_extra_noise > 0:
        notes["Extra noise"] = request.options.img2img_extra_noise
    return notes


def _mask_notes(mask: Mask, prepared: Prepared) -> dict[str, object]:
    notes: dict[str, object] = {}
    if mask.invert:
        notes["Mask mode"] = "Inpaint not masked"
    if mask.blur_x > 0 or mask.blur_y > 0:
        notes["Mask blur"] = mask.blur_x if mask.blur_x == mask.blur_y else None
    if prepared.box is not None:
        notes["Inpaint area"] = "Only masked"
        notes["Masked area padding"] = mask.padding
    if mask.fill in CONTENTS:
        notes["Masked content"] = CONTENTS[mask.fill]
    return notes


def _read_images(request: GenerationRequest, origin: Origin) -> list[Image.Image]:
    images = [
        _flat(_decode(text), request.options.img2img_background_color) for text in origin.images
    ]
    count = request.batch_size
    if len(images) == 1:
        return images * count
    if len(images) != count:
        raise BadRequest(
            f"bad number of images passed: {len(images)}; expecting {count} or less", "init_images"
        )
    return images


def _decode(text: str) -> Image.Image:
    try:
        data = base64.b64decode(text.partition("base64,")[2] or text, validate=False)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(f"Invalid encoded image: {error}", "init_images") from error
    return open_picture(data)


def _flat(image: Image.Image, background: str) -> Image.Image:
    if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
        return image.convert("RGB")
    under = Image.new("RGBA", image.size, background)
    under.alpha_composite(image.convert("RGBA"))
    return under.convert("RGB")


def _prepared_mask(mask: Mask) -> Image.Image:
    grey = read_mask(_decode(mask.image), mask.round)
    return blur(ImageOps.invert(grey) if mask.invert else grey, mask.blur_x, mask.blur_y)


def _stencil(origin: Origin, size: tuple[int, int], original: tuple[int, int]) -> Stencil | None:
    if origin.mask is None:
        return None
    mask = _prepared_mask(origin.mask)
    if origin.mask.only_masked:
        box = crop_box(mask, origin.mask.padding, size)
        if box is None:
            return None  # nothing to repaint: plain img2img, as in AUTOMATIC1111
        inner = resize_image(mask.crop(box), size, FILL).convert("L")
        return Stencil(inner, mask, box)
    inner = resize_image(mask, size, min(origin.resize_mode, FILL)).convert("L")
    return Stencil(inner, inner.point(lambda value: min(255, 2 * value)), None)


def _inner(
    image: Image.Image, stencil: Stencil, origin: Origin, size: tuple[int, int]
) -> Image.Image:
    assert origin.mask is not None
    if stencil.box:
        image = resize_image(image.crop(stencil.box), size, FILL)
    # AUTOMATIC1111 fills first for the latent contents too.
    return image if origin.mask.fill == ORIGINAL else fill_masked(image, stencil.inner)


def _latents(
    vae: "AutoencoderKL", images: Sequence[Image.Image], size: tuple[int, int], origin: Origin
) -> Tensor:
    first = images[0]
    if all(image is first for image in images):
        latent = encode(vae, images[:1]).expand(len(images), -1, -1, -1)
    else:
        latent = encode(vae, images)
    cells = (size[0] // FACTOR, size[1] // FACTOR)
    if origin.resize_mode == LATENT_RESIZE and (latent.shape[-1], latent.shape[-2]) != cells:
        latent = resize_latent(latent, cells)
    return latent  # (B,4,h,w)


def _latent_mask(stencil: Stencil, origin: Origin, latent: Tensor) -> Tensor:
    """1 where to repaint, (1,1,h,w)."""
    assert origin.mask is not None
    cells = stencil.inner.convert("RGB").resize((latent.shape[-1], latent.shape[-2]))
    values = np.asarray(cells, np.float32)[..., 0] / 255
    values = np.around(values) if origin.mask.round else values
    return torch.from_numpy(np.array(values))[None, None].to(latent.device)


def _content(latent: Tensor, mask: Tensor, origin: Origin, noise: PictureNoise) -> Tensor:
    assert origin.mask is not None
    kept = latent * (1 - mask)
    if origin.mask.fill == LATENT_NOISE:
        drawn = [
            generator(picture.seed, noise.source, noise.device)(noise.shape)
            for picture in noise.pictures
        ]
        return kept + torch.stack(drawn).to(latent) * mask
    return kept if origin.mask.fill == LATENT_NOTHING else latent


def _multiplier(request: GenerationRequest, origin: Origin) -> float:
    own = origin.noise_multiplier
    return request.options.initial_noise_multiplier if own is None else own
