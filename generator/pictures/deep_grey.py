"""Grey pictures of more than 8 bits a pixel, scaled to 8.

Apart from :mod:`generator.pictures.pixel_modes`, because numpy takes a tenth of a second to import
and the web process meets such pictures rarely.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from generator.pictures.tiff_tags import BITS, PHOTOMETRIC, SAMPLE_FORMAT, UNSIGNED, WHITE_IS_ZERO

BYTE, WORD, INTEGER, UNSIGNED_INTEGER = 255, 65535, 2**31 - 1, 2**32 - 1
FLOAT_WHITES = ((2, 1), (2 * BYTE, BYTE), (2 * WORD, WORD))
"""What is white in a picture of floats, by the least bound that its greatest number does not pass.

Twice as much as white, as sharpening and bright lights go beyond it.
"""

BLOCK = 2**20  # pixels that are brought to 8 bits at once

Numbers = np.ndarray[Any, Any]


def scale_to_eight_bits(image: Image.Image, transparent: int | None) -> Image.Image:
    """``image`` as L; as RGBA where one of its numbers, ``transparent``, is clear."""
    tags = getattr(image, "tag_v2", {})
    inverted = tags.get(PHOTOMETRIC) == WHITE_IS_ZERO
    white = find_white(image)
    grey = Image.new("L", image.size)
    for top, numbers in read_blocks(image):
        levels = to_levels(numbers, white)
        grey.paste(Image.fromarray(BYTE - levels if inverted else levels), (0, top))
    if transparent is None:
        return grey
    alpha = Image.new("L", image.size)
    for top, numbers in read_blocks(image):
        alpha.paste(
            Image.fromarray(np.where(numbers == transparent, 0, BYTE).astype(np.uint8)), (0, top)
        )
    return Image.merge("LA", (grey, alpha)).convert("RGBA")


def to_levels(numbers: Numbers, white: float) -> Numbers:
    """0..255, rounded."""
    finite = np.nan_to_num(numbers.astype(np.float64), nan=0.0, posinf=white, neginf=0.0)
    return np.rint(np.clip(finite / white, 0, 1) * BYTE).astype(np.uint8)


def read_blocks(image: Image.Image) -> Iterator[tuple[int, Numbers]]:
    """The first row of each part of a picture, and the part's numbers (h,w)."""
    rows = max(BLOCK // image.width, 1)
    unsigned = read_bits(image) == 32 and is_unsigned(image)
    for top in range(0, image.height, rows):
        part = image.crop((0, top, image.width, min(top + rows, image.height)))
        numbers = np.asarray(part)
        yield top, numbers.view(np.uint32) if unsigned else numbers


def find_white(image: Image.Image) -> float:
    """The number that is white."""
    if image.mode.startswith("I;16"):
        return 4095 if read_bits(image) == 12 else WORD
    if image.format != "TIFF" and image.mode == "I":
        return WORD
    greatest = max((find_greatest(numbers) for _, numbers in read_blocks(image)), default=0.0)
    if image.mode == "F":
        return next((white for most, white in FLOAT_WHITES if greatest <= most), greatest)
    if greatest <= WORD:
        return BYTE if greatest <= BYTE else WORD
    return UNSIGNED_INTEGER if is_unsigned(image) else INTEGER


def find_greatest(numbers: Numbers) -> float:
    finite = numbers[np.isfinite(numbers)]
    return float(finite.max()) if finite.size else 0.0


def read_bits(image: Image.Image) -> int:
    """Bits of a TIFF's grey level, 0 where it does not say."""
    return int((*getattr(image, "tag_v2", {}).get(BITS, ()), 0)[0])


def is_unsigned(image: Image.Image) -> bool:
    formats = getattr(image, "tag_v2", {}).get(SAMPLE_FORMAT, (UNSIGNED,))
    return image.mode == "I" and UNSIGNED in formats
