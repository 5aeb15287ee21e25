"""Converts every Pillow mode to 8 bits a channel: L, RGB or RGBA.

Pillow's own conversion cuts off what is larger than 255, so a grey picture of 16 bits turns white.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageCms

PLAIN = ("L", "RGB", "RGBA")
BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # tags of a TIFF
WHITE_IS_ZERO, UNSIGNED = 0, 1
BYTE, WORD, INTEGER, UNSIGNED_INTEGER = 255, 65535, 2**31 - 1, 2**32 - 1
FLOAT_WHITES = ((2, 1), (2 * BYTE, BYTE), (2 * WORD, WORD))
"""What is white in a picture of floats, by the least bound that its greatest number does not pass.

Twice as much as white, as sharpening and bright lights go beyond it.
"""

BLOCK = 2**20  # pixels that are brought to 8 bits at once
TRANSPARENCY = "transparency"

Numbers = np.ndarray[Any, Any]


def to_eight_bits(image: Image.Image) -> Image.Image:
    """``image`` as L, RGB or RGBA, the latter where it has any alpha; itself where it is so.

    16 bits are divided by 257. Of 32 bits white is 255, 65535 or the type's greatest number, and
    of floats 1, 255, 65535 or their greatest: the least that fits. What is negative or no number
    is black, infinity white. Raises what Pillow raises of damaged pictures.
    """
    image.load()
    if image.mode in PLAIN and TRANSPARENCY not in image.info:
        return image
    if image.mode.startswith(("I", "F")):
        return _scaled(image)
    if image.mode == "LAB":
        return _from_lab(image)
    if image.mode == "La":
        return image.convert("LA").convert("RGBA")
    if image.mode != "RGBA" and image.has_transparency_data:
        return _transparent(image)
    return image.convert("L" if image.mode == "1" else "RGB")


def _transparent(image: Image.Image) -> Image.Image:
    """RGBA; in a PNG of 16 bits the transparent colour has 16 bits too, the pixels 8 by now."""
    key = image.info.get(TRANSPARENCY)
    if isinstance(key, tuple) and max(key) > BYTE:
        image = image.copy()
        image.info[TRANSPARENCY] = tuple(part >> 8 for part in key)
    return image.convert("RGBA")


def _from_lab(image: Image.Image) -> Image.Image:
    lab, colours = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    try:
        converted = ImageCms.profileToProfile(image, lab, colours, outputMode="RGB")
    except ImageCms.PyCMSError as error:
        raise ValueError(str(error)) from error
    assert converted is not None  # only a conversion in place gives nothing
    return _like(converted, image)


def _scaled(image: Image.Image) -> Image.Image:
    """A grey picture of numbers that are larger than 8 bits."""
    tags = getattr(image, "tag_v2", {})
    inverted = tags.get(PHOTOMETRIC) == WHITE_IS_ZERO
    white = _white(image)
    grey = Image.new("L", image.size)
    for top, numbers in _blocks(image):
        levels = _levels(numbers, white)
        grey.paste(Image.fromarray(BYTE - levels if inverted else levels), (0, top))
    key = image.info.get(TRANSPARENCY)
    if not isinstance(key, int):
        return _like(grey, image)
    shown = Image.new("L", image.size)
    for top, numbers in _blocks(image):
        shown.paste(Image.fromarray(np.where(numbers == key, 0, BYTE).astype(np.uint8)), (0, top))
    return _like(Image.merge("LA", (grey, shown)).convert("RGBA"), image)


def _levels(numbers: Numbers, white: float) -> Numbers:
    """0..255, rounded."""
    finite = np.nan_to_num(numbers.astype(np.float64), nan=0.0, posinf=white, neginf=0.0)
    return np.rint(np.clip(finite / white, 0, 1) * BYTE).astype(np.uint8)


def _blocks(image: Image.Image) -> Iterator[tuple[int, Numbers]]:
    """The first row of each part of a picture, and the part's numbers (h,w)."""
    rows = max(BLOCK // image.width, 1)
    unsigned = _bits(image) == 32 and _unsigned(image)
    for top in range(0, image.height, rows):
        part = image.crop((0, top, image.width, min(top + rows, image.height)))
        numbers = np.asarray(part)
        yield top, numbers.view(np.uint32) if unsigned else numbers


def _white(image: Image.Image) -> float:
    """The number that is white."""
    if image.mode.startswith("I;16"):
        return 4095 if _bits(image) == 12 else WORD
    if image.format != "TIFF" and image.mode == "I":
        return WORD
    greatest = max((_greatest(numbers) for _, numbers in _blocks(image)), default=0.0)
    if image.mode == "F":
        return next((white for most, white in FLOAT_WHITES if greatest <= most), greatest)
    if greatest <= WORD:
        return BYTE if greatest <= BYTE else WORD
    return UNSIGNED_INTEGER if _unsigned(image) else INTEGER


def _greatest(numbers: Numbers) -> float:
    finite = numbers[np.isfinite(numbers)]
    return float(finite.max()) if finite.size else 0.0


def _bits(image: Image.Image) -> int:
    """Bits of a TIFF's grey level, 0 where it does not say."""
    return int((*getattr(image, "tag_v2", {}).get(BITS, ()), 0)[0])


def _unsigned(image: Image.Image) -> bool:
    formats = getattr(image, "tag_v2", {}).get(SAMPLE_FORMAT, (UNSIGNED,))
    return image.mode == "I" and UNSIGNED in formats


def _like(plain: Image.Image, image: Image.Image) -> Image.Image:
    """``plain`` with what ``image`` tells of itself."""
    plain.info = {key: value for key, value in image.info.items() if key != TRANSPARENCY}
    return plain
