"""What the tests see on the page."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page

READ = """async (image) => {
  const bytes = new Uint8Array(await (await fetch(image.src)).arrayBuffer())
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))
}"""


def shown_picture(page: Page) -> Image.Image:
    """The picture on the canvas, read from the bytes that its download would save."""
    data = page.locator("figure .large img").evaluate(READ)
    return Image.open(io.BytesIO(base64.b64decode(data)))


def share_of(pixels: NDArray[np.int16], colour: str) -> float:
    """The share (0..1) of pixels (h, w, 3) whose strongest channel is clearly ``colour``."""
    at = ("red", "green", "blue").index(colour)
    others = np.delete(pixels, at, axis=2).max(axis=2)  # (h, w)
    return float((pixels[..., at] > others + 15).mean())
