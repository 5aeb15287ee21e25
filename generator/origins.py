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
from generator.guides import Guide
from generator.pictures.latents import FACTOR, encode_pixels, to_pixels
from generator.pictures.masks import Box, veil
from generator.pictures.reading import flat, read_base64
from generator.pictures.resizing import Resample, lanczos, resize_image, resize_latent
from generator.request import GenerationRequest, Mask, Origin
from generator.sampling.noise import generator, picture_seeds
from generator.sampling.passes import Start
from generator.stencils import Stencil, stencil

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

LATENT_RESIZE = 3
FILLED, LATENT_NOISE, LATENT_NOTHING = 0, 2, 3
CONTENTS = {FILLED: "fill", LATENT_NOISE: "latent noise", LATENT_NOTHING: "latent nothing"}
BLANK_MASK = 'Unable to perform "Inpaint Only mask" because mask is blank, switch to img2img mode.'


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """The encoded initial images of a job, and what is needed to finish its pictures.

    Each tuple has one entry per picture of a batch.
    """

    start: Start
    guide: Guide
    drawn_from: tuple[Image.Image, ...]  # RGB, of the size that is drawn, as they were encoded
    originals: tuple[Image.Image, ...]  # RGB, whole
    stencil: Stencil | None = None
    veils: tuple[Image.Image, ...] = ()  # RGBA, what stays of each original; none without mask
    remarks: tuple[str, ...] = ()  # what the caller should know
    resample: Resample = lanczos

    @property
    def box(self) -> Box | None:
        """The part of the originals that is worked on, where it is not the whole."""
        return self.stencil.box if self.stencil else None


def prepare(
    request: GenerationRequest,
    origin: Origin,
    vae: "AutoencoderKL",
    resample: Resample = lanczos,
) -> Prepared:
    """The start of a job's batches; ``resample`` brings its pictures to their size.

    Raises :class:`BadRequest` for pictures that cannot be read.
    """
    size = (request.width, request.height)
    images = _read_images(request, origin)
    wanted = _mask(request, origin)
    sten = stencil(wanted, origin, size) if wanted else None
    whole = [_whole(image, sten, origin, size, resample) for image in images]
    drawn = [
        sten.cut(image, size, wanted.fill, resample) if sten and wanted else image
        for image in whole
    ]
    latent = _latents(vae, drawn, size, origin)
    cells = (latent.shape[-1], latent.shape[-2])
    mask = sten.cells(cells).to(latent.device) if sten else None
    return Prepared(
        start=Start(
            latent=latent if mask is None else _content(latent, mask, request, origin),
            strength=origin.strength,
            fixed_steps=request.options.img2img_fix_steps,
            mask=mask,
            soft=request.soft_inpainting,
            noise_multiplier=_multiplier(request, origin),
        ),
        guide=Guide(
            cells,
            _distinct(drawn),
            sten.pixels() if sten else None,
            request.options.inpainting_mask_weight,
        ),
        drawn_from=tuple(drawn),
        originals=tuple(whole),
        stencil=sten,
        veils=tuple(_veil(image, sten, origin) for image in whole) if sten else (),
        remarks=(BLANK_MASK,) if wanted and sten is None else (),
        resample=resample,
    )


def origin_notes(request: GenerationRequest, prepared: Prepared) -> dict[str, object]:
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


def _mask(request: GenerationRequest, origin: Origin) -> Mask | None:
    """The mask as it is used: soft inpainting needs its grey levels."""
    mask = origin.mask
    if mask is None or request.soft_inpainting is None:
        return mask
    return replace(mask, round=False)


def _read_images(request: GenerationRequest, origin: Origin) -> list[Image.Image]:
    background = request.options.img2img_background_color
    images = [flat(read_base64(text), background) for text in origin.images]
    count = request.batch_size
    if len(images) == 1:
        return images * count
    if len(images) != count:
        raise BadRequest(
            f"bad number of images passed: {len(images)}; expecting {count} or less", "init_images"
        )
    return images


def _whole(
    image: Image.Image,
    sten: Stencil | None,
    origin: Origin,
    size: tuple[int, int],
    resample: Resample,
) -> Image.Image:
    """The original resized to the drawn size, unless only its masked part is worked on."""
    if (sten and sten.box) or origin.resize_mode == LATENT_RESIZE:
        return image
    return resize_image(image, size, origin.resize_mode, resample)


def _veil(image: Image.Image, sten: Stencil, origin: Origin) -> Image.Image:
    outer = sten.outer
    if outer.size != image.size:
        outer = resize_image(outer, image.size, origin.resize_mode).convert("L")
    return veil(image, outer)


def _distinct(images: Sequence[Image.Image]) -> Tensor:
    """(1,3,H,W) in -1..1 where all pictures are the same, else (B,3,H,W)."""
    same = all(image.tobytes() == images[0].tobytes() for image in images[1:])
    return torch.cat([to_pixels(image) for image in (images[:1] if same else images)])


def _latents(
    vae: "AutoencoderKL", images: Sequence[Image.Image], size: tuple[int, int], origin: Origin
) -> Tensor:
    latent = encode_pixels(vae, _distinct(images)).expand(len(images), -1, -1, -1)
    cells = (size[0] // FACTOR, size[1] // FACTOR)
    if origin.resize_mode == LATENT_RESIZE and (latent.shape[-1], latent.shape[-2]) != cells:
        latent = resize_latent(latent, cells)
    return latent  # (B,4,h,w)


def _content(latent: Tensor, mask: Tensor, request: GenerationRequest, origin: Origin) -> Tensor:
    """The initial latent under the mask; all batches share the first batch's noise."""
    assert origin.mask is not None
    kept = latent * (1 - mask)
    if origin.mask.fill == LATENT_NOISE:
        source = request.options.randn_source
        drawn = [
            generator(picture.seed, source, latent.device)(tuple(latent.shape[1:]))
            for picture in picture_seeds(request.seeds, 0, len(latent))
        ]
        return kept + torch.stack(drawn).to(latent) * mask
    return kept if origin.mask.fill == LATENT_NOTHING else latent


def _multiplier(request: GenerationRequest, origin: Origin) -> float:
    own = origin.noise_multiplier
    return request.options.initial_noise_multiplier if own is None else own
