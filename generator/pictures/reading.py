"""Pictures out of a request's base64."""

import base64
import binascii
import hashlib
from io import BytesIO

from PIL import Image

from generator.errors import BadRequest
from generator.pictures.saving import open_picture


def read_base64(text: str, field: str = "init_images") -> Image.Image:
    """The picture in ``text``, with or without ``data:image/...;base64,`` before it.

    Raises :class:`BadRequest` naming ``field``.
    """
    try:
        data = base64.b64decode(text.partition("base64,")[2] or text, validate=False)
    except (binascii.Error, ValueError) as error:
        raise BadRequest("Invalid encoded image: it is not base64", field) from error
    return open_picture(data)


def write_base64(image: Image.Image) -> str:
    """``image`` as PNG, lossless and quickly written, for a request that starts from it."""
    file = BytesIO()
    image.save(file, "PNG", compress_level=1)
    return base64.b64encode(file.getvalue()).decode("ascii")


def fingerprint(image: Image.Image) -> str:
    """What tells a picture from others: the md5 of its pixels (contract section 5.2)."""
    return hashlib.md5(image.tobytes(), usedforsecurity=False).hexdigest()


def flat(image: Image.Image, background: str) -> Image.Image:
    """``image`` in RGB; what is transparent shows ``background``, a colour such as "#ffffff"."""
    if image.mode not in ("RGBA", "LA", "PA") and "transparency" not in image.info:
        return image.convert("RGB")
    under = Image.new("RGBA", image.size, background)
    under.alpha_composite(image.convert("RGBA"))
    return under.convert("RGB")
