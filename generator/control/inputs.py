"""The picture, mask and crop that a unit reads (contract section 10.3)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from generator.control.map_resize import CROP, FILL, STRETCH, Pixels
from generator.control.modules import NO_PLUGIN_MODULES, Module
from generator.control.units import CONTROLNET_FIELD, known_module
from generator.errors import BadRequest
from generator.pictures.base64_images import flatten_onto, read_base64
from generator.pictures.masks import Box, blur_mask, crop_box, read_mask
from generator.pictures.resize import FILL as FILLED
from generator.pictures.resize import resize_image
from generator.request import ControlUnit, GenerationRequest, Mask, Origin

BY_IMG2IMG = (STRETCH, CROP, FILL, STRETCH)  # img2img's resize modes in the extension's words
TO_IMG2IMG = {STRETCH: 0, CROP: 1, FILL: 2}
WHITE = "#ffffff"  # under what is transparent
NEARLY_BLACK, NEARLY_WHITE = 5, 250


@dataclass(frozen=True, slots=True, eq=False)
class PreprocessorInput:
    """What a preprocessor is given."""

    module: Module  # the one that really runs
    pixels: Pixels  # (H,W,3), or (H,W,4) with a mask, 255 where to repaint
    resize_mode: str


def read_input(
    unit: ControlUnit,
    request: GenerationRequest,
    plugin_modules: Mapping[str, Module] = NO_PLUGIN_MODULES,
) -> PreprocessorInput:
    """The unit's own picture, else the one that img2img starts from.

    Raises :class:`BadRequest` where there is none, or one that cannot be read.
    """
    module = _running_module(unit, request, plugin_modules)
    image, mode = _read_picture(unit, request)
    ignores = request.options.controlnet_ignore_noninpaint_mask
    image, mask = _select_picture(image, _find_mask(unit, module, request), module, ignores)
    box = _job_crop_box(unit, module, request)
    if box is not None:
        image = _crop_to_job(image, box, mode, request)
        mask = _crop_to_job(mask, box, mode, request).convert("L") if mask else None
    return PreprocessorInput(module, _stack_mask(image, mask), mode)


def read_own_input(unit: ControlUnit, module: Module) -> Pixels:
    """What ``module`` is given of the unit's own picture and mask, outside any job."""
    image = flatten_onto(read_base64(unit.image or "", CONTROLNET_FIELD), WHITE)
    return _stack_mask(*_select_picture(image, _read_own_mask(unit), module, False))


def _running_module(
    unit: ControlUnit, request: GenerationRequest, plugin_modules: Mapping[str, Module]
) -> Module:
    """The job's own inpainting does what ``inpaint_only`` would do on top of its model."""
    name = unit.module
    if name == "inpaint_only" and request.origin and request.origin.mask:
        name = "inpaint"
    return known_module(name, f"{CONTROLNET_FIELD}: module", plugin_modules)


def _read_picture(unit: ControlUnit, request: GenerationRequest) -> tuple[Image.Image, str]:
    if unit.image is not None:
        return flatten_onto(read_base64(unit.image, CONTROLNET_FIELD), WHITE), unit.resize_mode
    origin = request.origin
    if origin is None:
        raise BadRequest("controlnet is enabled but no input image is given", CONTROLNET_FIELD)
    image = flatten_onto(read_base64(origin.images[0]), request.options.img2img_background_color)
    return image, BY_IMG2IMG[origin.resize_mode]


def _find_mask(unit: ControlUnit, module: Module, request: GenerationRequest) -> Image.Image | None:
    """The unit's own mask, else, for inpainting what img2img starts from, that of the job."""
    if unit.mask is not None:
        return _read_own_mask(unit)
    origin = request.origin
    if module.reads_mask and unit.image is None and origin and origin.mask:
        return _read_job_mask(origin.mask)
    return None


def _read_own_mask(unit: ControlUnit) -> Image.Image | None:
    if unit.mask is None:
        return None
    return read_base64(unit.mask, CONTROLNET_FIELD).convert("RGB").getchannel(0)


def _select_picture(
    image: Image.Image, mask: Image.Image | None, module: Module, ignores: bool
) -> tuple[Image.Image, Image.Image | None]:
    """Picture and mask as the preprocessor reads them.

    Where it reads no mask, one in which something is drawn is the picture: a scribble.
    """
    if mask is not None and mask.size != image.size:
        mask = mask.resize(image.size, Image.Resampling.NEAREST)
    if module.reads_mask:
        return image, mask or Image.new("L", image.size)
    if module.is_image_prompt:
        return image, mask  # what it covers is not seen
    if mask is None or ignores:
        return image, None
    values = np.asarray(mask)
    drawn = not (values.max() <= NEARLY_BLACK or values.min() >= NEARLY_WHITE)
    return (mask.convert("RGB") if drawn else image), None


def _stack_mask(image: Image.Image, mask: Image.Image | None) -> Pixels:
    """(H,W,3), or (H,W,4) with a mask."""
    colours = np.asarray(image.convert("RGB"), np.uint8)
    return colours if mask is None else np.dstack([colours, np.asarray(mask, np.uint8)])


def _read_job_mask(mask: Mask) -> Image.Image:
    grey = read_mask(read_base64(mask.image, "mask"), mask.round)
    return blur_mask(ImageOps.invert(grey) if mask.invert else grey, mask.blur_x, mask.blur_y)


def _job_crop_box(unit: ControlUnit, module: Module, request: GenerationRequest) -> Box | None:
    """The part of the job's mask that an "only masked" job works on."""
    origin = request.origin
    if origin is None or origin.mask is None or not origin.mask.only_masked:
        return None
    if module.is_reference or not unit.inpaint_crop_input_image:
        return None
    size = (request.width, request.height)
    return crop_box(_read_job_mask(origin.mask), origin.mask.padding, size)


def _crop_to_job(
    image: Image.Image, box: Box, mode: str, request: GenerationRequest
) -> Image.Image:
    """``image`` laid over the job's mask, cut as it is, and enlarged to the job's size."""
    covering = resize_image(image, _mask_size(request.origin), TO_IMG2IMG[mode])
    return resize_image(covering.crop(box), (request.width, request.height), FILLED)


def _mask_size(origin: Origin | None) -> tuple[int, int]:
    assert origin is not None
    assert origin.mask is not None
    return read_base64(origin.mask.image, "mask").size
