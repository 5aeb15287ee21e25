"""Reads base64 pictures of requests; the only reader, for every field. No torch.

The file browser has its own way to an open file, since it imports nothing of ours; the pixels of
its thumbnails come from :func:`generator.pictures.pixel_modes.to_eight_bits` as well, which the
application hands to it.
"""

import base64
import binascii
import hashlib
import struct
import zlib
from io import BytesIO

from PIL import ExifTags, Image, UnidentifiedImageError

from generator.errors import BadRequest
from generator.pictures.picture_kinds import kind_of
from generator.pictures.pixel_modes import to_eight_bits
from generator.pictures.tiff_tags import BITS
from generator.reasons import reason_of

READABLE = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Formats of uploaded pictures. Pillow knows others; some of those start programs."""

DAMAGED_PICTURE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    OverflowError,
    AttributeError,
    struct.error,
    zlib.error,
    RuntimeError,  # of AVIF
    MemoryError,
    Image.DecompressionBombError,
)
"""What Pillow raises of a damaged file."""

PLANES, APART = 284, 2  # a TIFF's tag, and its channels one after the other
TRANSPOSE_BY_ORIENTATION = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How a picture is turned, by EXIF's orientation; 1 and what is unknown is not."""


def open_header(data: bytes) -> Image.Image:
    """Uploaded bytes as a picture of which only the header is read: its size and format.

    Raises :class:`BadRequest` for what is no picture of a format in READABLE.
    """
    try:
        image = Image.open(BytesIO(data), formats=READABLE)
    except UnidentifiedImageError as error:
        raise BadRequest(f"Invalid encoded image: {_describe_unreadable(data)}") from error
    except DAMAGED_PICTURE_ERRORS as error:
        raise BadRequest(f"Invalid encoded image: {reason_of(error)}") from error
    if _is_garbled(image):
        raise BadRequest(f"Invalid encoded image: {_describe_unreadable(data)}")
    return image


def decode(image: Image.Image) -> Image.Image:
    """The first frame of an opened picture, upright as its EXIF says, as L, RGB or RGBA.

    Raises :class:`BadRequest` for what cannot be decoded.
    """
    try:
        plain = to_eight_bits(image)
        turn = TRANSPOSE_BY_ORIENTATION.get(_read_orientation(image))
        return plain if turn is None else _transpose(plain, turn)
    except DAMAGED_PICTURE_ERRORS as error:
        raise BadRequest(f"Invalid encoded image: {reason_of(error)}") from error


def open_picture(data: bytes) -> Image.Image:
    """:func:`open_header` and :func:`decode`."""
    return decode(open_header(data))


def check_picture(image: Image.Image) -> None:
    """Decode an opened picture, once and without copies, to see that it can be.

    Raises :class:`BadRequest` as :func:`decode` would.
    """
    try:
        image.load()
    except DAMAGED_PICTURE_ERRORS as error:
        raise BadRequest(f"Invalid encoded image: {reason_of(error)}") from error


def read_base64(text: str, field: str = "init_images") -> Image.Image:
    """The picture in ``text``, with or without ``data:image/...;base64,`` before it.

    Raises :class:`BadRequest` naming ``field``.
    """
    return open_picture(bytes_of(text, field))


def bytes_of(text: str, field: str) -> bytes:
    """The file in a base64 text, as :func:`read_base64` takes it."""
    try:
        return base64.b64decode(text.partition("base64,")[2] or text, validate=False)
    except (binascii.Error, ValueError) as error:
        raise BadRequest("Invalid encoded image: it is not base64", field) from error


def write_base64(image: Image.Image) -> str:
    """``image`` as PNG, lossless and quickly written, for a request that starts from it."""
    file = BytesIO()
    image.save(file, "PNG", compress_level=1)
    return base64.b64encode(file.getvalue()).decode("ascii")


def fingerprint_of(image: Image.Image) -> str:
    """What tells a picture from others: the md5 of its pixels (contract section 5.2)."""
    return hashlib.md5(image.tobytes(), usedforsecurity=False).hexdigest()


def flatten_onto(image: Image.Image, background: str) -> Image.Image:
    """``image`` in RGB; what is transparent shows ``background``, a colour such as "#ffffff"."""
    if image.mode != "RGBA":
        return image.convert("RGB")
    under = Image.new("RGBA", image.size, background)
    under.alpha_composite(image)
    return under.convert("RGB")


def _is_garbled(image: Image.Image) -> bool:
    """Whether Pillow mixes up the pixels: 16 bits, uncompressed, each channel by itself (TIFF)."""
    tags = getattr(image, "tag_v2", {})
    apart = tags.get(PLANES) == APART and image.info.get("compression") == "raw"
    return apart and max(tags.get(BITS, (8,))) > 8


def _read_orientation(image: Image.Image) -> int:
    """EXIF's, of a decoded picture; a damaged EXIF says nothing, and its picture can be used."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation) or 1)
    except DAMAGED_PICTURE_ERRORS:
        return 1


def _transpose(image: Image.Image, turn: Image.Transpose) -> Image.Image:
    upright = image.transpose(turn)
    upright.info = {key: value for key, value in image.info.items() if key != "exif"}
    return upright


def _describe_unreadable(data: bytes) -> str:
    kind = kind_of(data)
    if not kind:
        return "it is no picture"
    return f"it is no picture that is read here: {kind}; send PNG, JPEG, WebP, AVIF or TIFF"
