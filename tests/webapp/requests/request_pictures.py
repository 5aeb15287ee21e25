"""Pictures and bodies of drawing requests."""

import base64
import io
from typing import Any

from PIL import Image

from generator.pictures.picture_files import encode_picture


def png(size: tuple[int, int] = (8, 8), mode: str = "RGB", colour: Any = 90) -> str:
    """A small picture as base64."""
    buffer = io.BytesIO()
    Image.new(mode, size, colour).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


PICTURE, MASK = png(), png(mode="L", colour=255)

SMALL = {"prompt": "a red house", "width": 64, "height": 64, "steps": 2, "seed": 7}

BODY = {**SMALL, "init_images": [PICTURE]}


def encode_grey_picture(
    width: int = 8, height: int = 8, text: str | None = None, form: str = "png"
) -> str:
    """A grey picture as base64."""
    data = encode_picture(Image.new("RGB", (width, height), (90, 90, 90)), form, text)
    return base64.b64encode(data).decode()
