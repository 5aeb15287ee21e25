"""Body of ``POST /sdapi/v1/img2img`` and its init images (contract sections 1.6, 5.3)."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from pydantic import ConfigDict

from generator.request import Mask, Origin
from webapp.errors import Refused
from webapp.http.url_fetch import is_link
from webapp.requests.coercion import Bool, Float, Int, Str, Strings
from webapp.requests.context import RequestContext
from webapp.requests.eas import IMAGE_LINK
from webapp.requests.fields import GenerationBody, JobFields, Route, TaskFields
from webapp.requests.ranges import RANGES as COMMON
from webapp.requests.ranges import check_picture_count

DEFAULT_BLUR = 4  # pixels, where a body says null
RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "resize_mode": (0, 3),
        "image_cfg_scale": COMMON["cfg_scale"],
        "mask_blur": (-math.inf, 256),
        "mask_blur_x": (-math.inf, 256),
        "mask_blur_y": (-math.inf, 256),
        "inpaint_full_res_padding": (0, 8192),
        "initial_noise_multiplier": (0, 100),
    }
)


class NoInitImage(Refused):
    """img2img was asked for without a picture."""

    status = 404
    code = "no_picture"


class InitImageFields(JobFields):
    """The picture to start from, and where to repaint it."""

    init_images: Strings | None = None
    resize_mode: Int | None = 0
    image_cfg_scale: Float | None = None
    mask: Str | None = None
    mask_blur_x: Int | None = DEFAULT_BLUR
    mask_blur_y: Int | None = DEFAULT_BLUR
    mask_blur: Int | None = None
    mask_round: Bool | None = True
    inpainting_fill: Int | None = 0
    inpaint_full_res: Bool | None = True
    inpaint_full_res_padding: Int | None = 0
    inpainting_mask_invert: Int | None = 0
    initial_noise_multiplier: Float | None = None
    latent_mask: Str | None = None


class EchoFields(TaskFields):
    """Whether the answer repeats the pictures."""

    include_init_images: Bool = False


class Img2Img(GenerationBody, EchoFields, InitImageFields):
    """What an img2img request may say."""

    model_config = ConfigDict(title="StableDiffusionProcessingImg2Img")

    route: ClassVar[Route] = "img2img"
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = RANGES

    denoising_strength: Float = 0.75


def with_image_link(body: Img2Img) -> Img2Img:
    """``body`` with the vendor's ``image_link`` among its pictures (its guide, "image_link")."""
    link = body.alwayson_scripts.get(IMAGE_LINK)
    if link is None:
        return body
    if not isinstance(link, str) or not is_link(link):
        raise Refused(
            "alwayson_scripts.image_link: an http:// or https:// address is expected.",
            "address_refused",
        )
    if body.init_images:
        return body  # a picture that came whole needs no fetching
    return body.model_copy(update={"init_images": [link]})


def read_batch_size(body: Img2Img) -> int:
    """Pictures a batch: several first pictures make a batch of their own size (contract 1.6)."""
    count, wanted = len(body.init_images or ()), body.batch_size or 1
    if count > 1 and count > wanted:
        raise Refused(
            f"init_images: bad number of images passed: {count}; expecting {wanted} or less",
            "too_many",
            count=count,
            most=wanted,
        )
    size = count if count > 1 else wanted
    check_picture_count(size * (body.n_iter or 1))
    return size


def read_init_images(
    body: Img2Img, context: RequestContext, *, with_fingerprint: bool = False
) -> Origin:
    """The initial images of a checked body; ``with_fingerprint``: for the infotext.

    Raises ``Refused`` for each picture that cannot be used.
    """
    if not body.init_images:
        raise NoInitImage("Init image not found", field="init_images")
    image_link = body.alwayson_scripts.get(IMAGE_LINK)
    images = tuple(
        context.picture_reader(
            f"alwayson_scripts.{IMAGE_LINK}" if text == image_link else "init_images", text
        )
        for text in body.init_images
    )
    return Origin(
        images=images,
        fingerprint=context.picture_reader.fingerprint(images[-1]) if with_fingerprint else None,
        image_guidance=body.image_cfg_scale,
        strength=body.denoising_strength,
        resize_mode=body.resize_mode or 0,
        mask=read_mask(body, context) if body.mask else None,
        noise_multiplier=body.initial_noise_multiplier,
    )


def read_mask(body: Img2Img, context: RequestContext) -> Mask:
    """Where to repaint."""
    blur = body.mask_blur
    across, down = (body.mask_blur_x, body.mask_blur_y) if blur is None else (blur, blur)
    return Mask(
        image=context.picture_reader("mask", body.mask or ""),
        blur_x=DEFAULT_BLUR if across is None else max(across, 0),
        blur_y=DEFAULT_BLUR if down is None else max(down, 0),
        invert=bool(body.inpainting_mask_invert),
        fill=body.inpainting_fill or 0,
        only_masked=bool(body.inpaint_full_res),
        padding=body.inpaint_full_res_padding or 0,
        round=bool(body.mask_round),
    )


def echo_parameters(body: Img2Img) -> dict[str, object]:
    """The answer's ``parameters``: the pictures are left out unless they were asked for."""
    parameters = body.fields_to_echo()
    if not body.include_init_images:
        parameters |= {"init_images": None, "mask": None}
    return parameters
