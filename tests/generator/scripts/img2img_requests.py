"""Requests that start from a picture."""

import numpy as np
from PIL import Image

from generator.pictures.base64_images import read_base64, write_base64
from generator.request import GenerationRequest, Origin
from tests.generator.scripts.fake_painter import (
    default_arguments,
    script_request,
)


def picture(width: int = 64, height: int = 64) -> Image.Image:
    """A picture in which no two pixels are the same."""
    rows, columns = np.mgrid[:height, :width]
    channels = [rows * 3 % 256, columns * 3 % 256, (rows + columns) % 256]
    return Image.fromarray(np.stack(channels, 2).astype(np.uint8))


def from_picture(
    title: str, image: Image.Image | None = None, **changes: object
) -> GenerationRequest:
    """A request of img2img; arguments by place as ``a0=...``, other fields by name."""
    placed = {k: v for k, v in changes.items() if k[0] == "a" and k[1:].isdigit()}
    others = {k: v for k, v in changes.items() if k not in placed}
    origin = Origin((write_base64(image or picture()),), 0.6)
    fields = {"origin": origin} | others
    return script_request(title, default_arguments(title, "img2img", **placed), **fields)


LOOP, MK2, POOR = "loopback", "outpainting mk2", "poor man's outpainting"

UPSCALE, ALTERNATIVE = "sd upscale", "img2img alternative test"


def initial_picture(request: GenerationRequest) -> Image.Image:
    """The picture that a request starts from."""
    assert request.origin is not None
    return read_base64(request.origin.images[0])
