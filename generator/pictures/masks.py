"""Inpainting masks: crop boxes and fills under the mask.

Contract section 5.3. Masks are 8-bit grey pictures; white is repainted.
"""

import numpy as np
from PIL import Image, ImageFilter, ImageOps
from scipy import ndimage

Box = tuple[int, int, int, int]  # left, top, right, bottom

# Gaussian blurs of the picture's known part, laid over one another: radius, how often.
FILL_BLURS = ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1))


def read_mask(image: Image.Image, round: bool = True) -> Image.Image:
    """The grey mask of an uploaded picture: its alpha where it has some, else its brightness."""
    if image.mode == "RGBA" and image.getextrema()[-1] != (255, 255):
        alpha = image.getchannel("A")
        return alpha.point(lambda value: 255 if value > 128 else 0) if round else alpha
    return image.convert("L")


def blur_mask(mask: Image.Image, sigma_x: float, sigma_y: float) -> Image.Image:
    """A Gaussian blur across, then down; sigmas in pixels, 0 is none.

    In whole numbers, as OpenCV blurs 8-bit pictures: where a mask is nearly white, one level more
    or less shows in what :func:`fill_masked` paints (14 of 255, golden ``inpaint_fill0_invert``).
    """
    pixels = np.asarray(mask, np.int64)  # (H,W)
    for axis, sigma in ((1, sigma_x), (0, sigma_y)):
        if sigma > 0:
            kernel = _integer_kernel(sigma)
            pixels = (ndimage.correlate1d(pixels, kernel, axis, mode="mirror") + 128) >> 8
    return Image.fromarray(pixels.astype(np.uint8))


def _integer_kernel(sigma: float) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """A Gaussian of 2 int(2.5 sigma + 0.5) + 1 whole weights that sum to 256.

    Each side carries its rounding error on towards the middle, which takes what is left.
    """
    reach = int(2.5 * sigma + 0.5)
    exact = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2))
    exact *= 256 / exact.sum()
    kernel = np.zeros(2 * reach + 1, np.int64)
    error = 0.0
    for index in range(reach):
        wanted = exact[index] + error
        kernel[index] = kernel[-1 - index] = np.rint(wanted)
        error = wanted - kernel[index]
    kernel[reach] = 256 - kernel.sum()
    return kernel


def crop_box(mask: Image.Image, padding: int, size: tuple[int, int]) -> Box | None:
    """The part to work on, with the proportions of ``size`` (width, height); None for black."""
    box = mask.getbbox()
    if box is None:
        return None
    padded = (
        max(box[0] - padding, 0),
        max(box[1] - padding, 0),
        min(box[2] + padding, mask.width),
        min(box[3] + padding, mask.height),
    )
    return fit_box(padded, size, mask.size)


def fit_box(box: Box, size: tuple[int, int], within: tuple[int, int]) -> Box:
    """``box`` grown on its short side to the proportions of ``size``, kept inside ``within``."""
    left, top, right, bottom = box
    if (right - left) / (bottom - top) > size[0] / size[1]:
        wanted = int((right - left) / (size[0] / size[1]))
        top, bottom = _grow_span(top, bottom, wanted, within[1])
    else:
        wanted = int((bottom - top) * (size[0] / size[1]))
        left, right = _grow_span(left, right, wanted, within[0])
    return left, top, right, bottom


def _grow_span(low: int, high: int, wanted: int, limit: int) -> tuple[int, int]:
    missing = wanted - (high - low)
    low -= missing // 2
    high += missing - missing // 2
    if high >= limit:
        low, high = low - (high - limit), limit
    if low < 0:
        low, high = 0, high - low
    return low, min(high, limit)


def fill_masked(image: Image.Image, mask: Image.Image) -> Image.Image:
    """``image`` with its masked part painted from blurs of what surrounds it."""
    known = Image.new("RGBa", image.size)
    known.paste(image.convert("RGBA").convert("RGBa"), mask=ImageOps.invert(mask))
    known = known.convert("RGBa")
    result = Image.new("RGBA", image.size)
    for radius, times in FILL_BLURS:
        blurred = known.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
        for _ in range(times):
            result.alpha_composite(blurred)
    return result.convert("RGB")


def make_overlay(image: Image.Image, mask: Image.Image) -> Image.Image:
    """What stays of ``image``, to be laid over the result: transparent where ``mask`` is white."""
    overlay = Image.new("RGBa", image.size)
    overlay.paste(image.convert("RGBA").convert("RGBa"), mask=ImageOps.invert(mask))
    return overlay.convert("RGBA")
