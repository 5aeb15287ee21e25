"""img2img and inpainting: from the pictures given to where sampling starts.

Contract sections 5.2 and 5.3.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor

from generator.errors import BadRequest
from generator.img2img.concat_conditioning import ConcatConditioning
from generator.img2img.inpaint_mask import InpaintMask, make_inpaint_mask
from generator.models.memory_relief import MemoryRelief
from generator.pictures.base64_images import flatten_onto, read_base64
from generator.pictures.latents import LATENT_FACTOR, encode_pixels, to_pixels
from generator.pictures.masks import Box, make_overlay
from generator.pictures.resize import Resample, resize_image, resize_lanczos, resize_latent
from generator.request import GenerationRequest, Mask, Origin
from generator.sampling.noise import make_random_source, picture_seeds
from generator.sampling.passes import StartLatent

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

LATENT_RESIZE = 3
FILLED, LATENT_NOISE, LATENT_NOTHING = 0, 2, 3
MASKED_CONTENTS = {FILLED: "fill", LATENT_NOISE: "latent noise", LATENT_NOTHING: "latent nothing"}
BLANK_MASK_REMARK = (
    'Unable to perform "Inpaint Only mask" because mask is blank, switch to img2img mode.'
)


@dataclass(frozen=True, slots=True, eq=False)
class PreparedImages:
    """The encoded initial images of a job, and what is needed to finish its pictures.

    Each tuple has one entry per picture of a batch.
    """

    start: StartLatent
    concat: ConcatConditioning
    encoded_images: tuple[Image.Image, ...]  # RGB, of the size that is drawn, as they were encoded
    originals: tuple[Image.Image, ...]  # RGB, whole
    inpaint_mask: InpaintMask | None = None
    overlays: tuple[Image.Image, ...] = ()  # RGBA, what stays of each original; none without mask
    remarks: tuple[str, ...] = ()  # what the caller should know
    resample: Resample = resize_lanczos

    @property
    def box(self) -> Box | None:
        """The part of the originals that is worked on, where it is not the whole."""
        return self.inpaint_mask.box if self.inpaint_mask else None


def prepare_init_images(
    request: GenerationRequest,
    origin: Origin,
    vae: "AutoencoderKL",
    resample: Resample = resize_lanczos,
    relief: MemoryRelief | None = None,
) -> PreparedImages:
    """The start of a job's batches; ``resample`` brings its pictures to their size.

    Raises :class:`BadRequest` for pictures that cannot be read.
    """
    size = (request.width, request.height)
    images = _read_images(request, origin)
    mask_request = _mask_in_use(request, origin)
    inpaint_mask = make_inpaint_mask(mask_request, origin, size) if mask_request else None
    originals = [_fit_original(image, inpaint_mask, origin, size, resample) for image in images]
    encoded_images = [
        inpaint_mask.crop_and_fill(image, size, mask_request.fill, resample)
        if inpaint_mask and mask_request
        else image
        for image in originals
    ]
    latent = _encode_latents(vae, encoded_images, size, origin, relief)
    cells = (latent.shape[-1], latent.shape[-2])
    mask = inpaint_mask.to_latent_mask(cells).to(latent.device) if inpaint_mask else None
    return PreparedImages(
        start=StartLatent(
            latent=latent if mask is None else _fill_masked_latent(latent, mask, request, origin),
            strength=origin.strength,
            fixed_steps=request.options.img2img_fix_steps,
            mask=mask,
            soft=request.soft_inpainting,
            noise_multiplier=_noise_multiplier(request, origin),
        ),
        concat=ConcatConditioning(
            cells,
            _to_distinct_pixels(encoded_images),
            inpaint_mask.to_pixel_mask() if inpaint_mask else None,
            request.options.inpainting_mask_weight,
        ),
        encoded_images=tuple(encoded_images),
        originals=tuple(originals),
        inpaint_mask=inpaint_mask,
        overlays=tuple(_overlay_of(image, inpaint_mask, origin) for image in originals)
        if inpaint_mask
        else (),
        remarks=(BLANK_MASK_REMARK,) if mask_request and inpaint_mask is None else (),
        resample=resample,
    )


def img2img_notes(request: GenerationRequest, prepared: PreparedImages) -> dict[str, object]:
    """The infotext's keys of an img2img job, in AUTOMATIC1111's order."""
    origin, soft = request.origin, request.soft_inpainting
    assert origin is not None
    notes: dict[str, object] = {}
    if soft is not None:
        notes |= {
            "Soft inpainting enabled": True,
            "Soft inpainting schedule bias": soft.schedule_bias,
            "Soft inpainting preservation strength": soft.preservation,
            "Soft inpainting transition contrast boost": soft.contrast_boost,
            "Soft inpainting mask influence": soft.mask_influence,
            "Soft inpainting difference threshold": soft.difference_threshold,
            "Soft inpainting difference contrast": soft.difference_contrast,
        }
    notes["Denoising strength"] = origin.strength
    if origin.mask is not None:
        notes |= _mask_notes(origin.mask, prepared)
    multiplier = _noise_multiplier(request, origin)
    if multiplier != 1.0:
        notes["Noise multiplier"] = multiplier
    if request.options.img2img_extra_noise > 0:
        notes["Extra noise"] = request.options.img2img_extra_noise
    return notes


def _mask_notes(mask: Mask, prepared: PreparedImages) -> dict[str, object]:
    notes: dict[str, object] = {}
    if mask.invert:
        notes["Mask mode"] = "Inpaint not masked"
    if mask.blur_x > 0 or mask.blur_y > 0:
        notes["Mask blur"] = mask.blur_x if mask.blur_x == mask.blur_y else None
    if prepared.box is not None:
        notes["Inpaint area"] = "Only masked"
        notes["Masked area padding"] = mask.padding
    if mask.fill in MASKED_CONTENTS:
        notes["Masked content"] = MASKED_CONTENTS[mask.fill]
    return notes


def _mask_in_use(request: GenerationRequest, origin: Origin) -> Mask | None:
    """The mask as it is used: soft inpainting needs its grey levels."""
    mask = origin.mask
    if mask is None or request.soft_inpainting is None:
        return mask
    return replace(mask, round=False)


def _read_images(request: GenerationRequest, origin: Origin) -> list[Image.Image]:
    background = request.options.img2img_background_color
    images = [flatten_onto(read_base64(text), background) for text in origin.images]
    count = request.batch_size
    if len(images) == 1:
        return images * count
    if len(images) != count:
        raise BadRequest(
            f"bad number of images passed: {len(images)}; expecting {count} or less", "init_images"
        )
    return images


def _fit_original(
    image: Image.Image,
    inpaint_mask: InpaintMask | None,
    origin: Origin,
    size: tuple[int, int],
    resample: Resample,
) -> Image.Image:
    """The original resized to the drawn size, unless only its masked part is worked on."""
    if (inpaint_mask and inpaint_mask.box) or origin.resize_mode == LATENT_RESIZE:
        return image
    return resize_image(image, size, origin.resize_mode, resample)


def _overlay_of(image: Image.Image, inpaint_mask: InpaintMask, origin: Origin) -> Image.Image:
    outer = inpaint_mask.outer
    if outer.size != image.size:
        outer = resize_image(outer, image.size, origin.resize_mode).convert("L")
    return make_overlay(image, outer)


def _to_distinct_pixels(images: Sequence[Image.Image]) -> Tensor:
    """(1,3,H,W) in -1..1 where all pictures are the same, else (B,3,H,W)."""
    same = all(image.tobytes() == images[0].tobytes() for image in images[1:])
    return torch.cat([to_pixels(image) for image in (images[:1] if same else images)])


def _encode_latents(
    vae: "AutoencoderKL",
    images: Sequence[Image.Image],
    size: tuple[int, int],
    origin: Origin,
    relief: MemoryRelief | None,
) -> Tensor:
    pixels = _to_distinct_pixels(images)
    latent = encode_pixels(vae, pixels, None, relief).expand(len(images), -1, -1, -1)
    cells = (size[0] // LATENT_FACTOR, size[1] // LATENT_FACTOR)
    if origin.resize_mode == LATENT_RESIZE and (latent.shape[-1], latent.shape[-2]) != cells:
        latent = resize_latent(latent, cells)
    return latent  # (B,4,h,w)


def _fill_masked_latent(
    latent: Tensor, mask: Tensor, request: GenerationRequest, origin: Origin
) -> Tensor:
    """The initial latent under the mask; all batches share the first batch's noise."""
    assert origin.mask is not None
    unmasked = latent * (1 - mask)
    if origin.mask.fill == LATENT_NOISE:
        source = request.options.randn_source
        noise = [
            make_random_source(picture.seed, source, latent.device)(tuple(latent.shape[1:]))
            for picture in picture_seeds(request.seeds, 0, len(latent))
        ]
        return unmasked + torch.stack(noise).to(latent) * mask
    return unmasked if origin.mask.fill == LATENT_NOTHING else latent


def _noise_multiplier(request: GenerationRequest, origin: Origin) -> float:
    own = origin.noise_multiplier
    return request.options.initial_noise_multiplier if own is None else own
