"""Puts the pictures of a job into one grid (contract section 6.6)."""

import math
from collections.abc import Sequence

from PIL import Image


def compose_grid(
    images: Sequence[Image.Image],
    rows: int = -1,
    batch_size: int = 1,
    fill_evenly: bool = False,
    background: str = "#ffffff",
) -> Image.Image:
    """One sheet, row by row, each picture in the middle of a cell as big as the biggest.

    ``rows`` > 0 is taken as it is, 0 means one row a batch, -1 the rounded square root of the
    number of pictures; with ``fill_evenly`` the greatest divisor that leaves no empty cell.
    """
    down = row_count(len(images), rows, batch_size, fill_evenly)
    across = math.ceil(len(images) / down)
    width = max(image.width for image in images)
    height = max(image.height for image in images)
    sheet = Image.new("RGB", (across * width, down * height), background)
    for index, image in enumerate(images):
        left = index % across * width + (width - image.width) // 2
        top = index // across * height + (height - image.height) // 2
        sheet.paste(image, (left, top))
    return sheet


def row_count(pictures: int, rows: int = -1, batch_size: int = 1, fill_evenly: bool = False) -> int:
    """How many rows a grid of ``pictures`` has; at least 1, at most one a picture."""
    wanted = rows if rows > 0 else batch_size if rows == 0 else round(math.sqrt(pictures))
    if rows < 0 and fill_evenly:
        wanted = math.isqrt(pictures)
        while pictures % wanted:
            wanted -= 1
    return max(1, min(wanted, pictures))
