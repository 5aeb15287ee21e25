"""Whether two drawings are the same, whatever processor drew them and however it was loaded."""

import numpy as np
from PIL import Image

MAX_DIFFERENCE = 2
"""Grey levels of 255 by which rounding may differ from processor to processor."""


def is_same_drawing(one: Image.Image, other: Image.Image) -> bool:
    """Whether two pictures are alike but for the rounding of the arithmetic behind them."""
    first, second = (np.asarray(image, dtype=np.int16) for image in (one, other))
    return (
        first.shape == second.shape and int(np.abs(first - second).max(initial=0)) <= MAX_DIFFERENCE
    )
