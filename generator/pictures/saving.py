"""Turns pictures into files and files into their text; nothing half-written is ever left."""

import base64
import binascii
import struct
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from generator.atomic_file import make_folders, shared_mode, write_atomically
from generator.errors import BadRequest, CannotSave
from generator.reasons import reason_of

EXIF_IFD = 0x8769
USER_COMMENT = 0x9286
CONTAINERS = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP"}
PARAMETERS = "parameters"  # the chunk that holds the infotext
READABLE = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Formats of uploaded pictures. Pillow knows others; some of those start programs."""

BROKEN = (
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
    MemoryError,
    Image.DecompressionBombError,
)
"""What Pillow raises of a damaged file."""

UNICODE = b"UNICODE\0"  # the EXIF standard's mark of a UTF-16 comment


def encode(
    image: Image.Image,
    format: str = "png",
    infotext: str | None = None,
    quality: int = 80,
    lossless: bool = False,
) -> bytes:
    """The picture as a file of ``format`` (png, jpg, jpeg or webp) that carries ``infotext``.

    ``quality`` 1..100 is that of JPEG and WebP, ``lossless`` WebP's. The text lies where contract
    section 6.3 says: PNG's ``parameters`` chunk, else EXIF's user comment. Raises
    :class:`BadRequest` for another format.
    """
    return encode_chunks(
        image, format, {} if infotext is None else {PARAMETERS: infotext}, quality, lossless
    )


def encode_chunks(
    image: Image.Image,
    format: str,
    chunks: Mapping[str, str],
    quality: int = 80,
    lossless: bool = False,
) -> bytes:
    """As :func:`encode`, with any text chunks; JPEG and WebP keep ``parameters`` alone."""
    container = CONTAINERS.get(format.lower())
    if container is None:
        raise BadRequest(
            f"Invalid image format: {format!r} was asked for; png, jpg, jpeg and webp are known",
            field="samples_format",
        )
    buffer = BytesIO()
    if container == "PNG":
        image.save(buffer, container, pnginfo=_chunks(chunks))
    else:
        flat = image.convert("RGB") if container == "JPEG" else image
        flat.save(buffer, container, quality=quality, lossless=lossless, exif=_exif(chunks))
    return buffer.getvalue()


def read_infotext(image: Image.Image, *, header_only: bool = False) -> str:
    """The text inside an opened picture, "" where there is none; EXIF wins over PNG's chunk.

    ``header_only``: nothing is decoded; what stands behind a PNG's pixels is not found.
    """
    # Pillow decodes a PNG without EXIF, in case there is some at its end.
    told = not header_only or image.format != "PNG" or "exif" in image.info
    comment = image.getexif().get_ifd(EXIF_IFD).get(USER_COMMENT, b"") if told else b""
    if isinstance(comment, bytes) and comment.startswith(UNICODE):
        return comment.removeprefix(UNICODE).decode("utf-16-be", errors="replace")
    text = image.info.get("parameters") or image.info.get("comment") or ""
    return text.decode("utf-8", errors="replace") if isinstance(text, bytes) else str(text)


def open_encoded(text: str, field: str) -> Image.Image:
    """The picture in a base64 text; raises :class:`BadRequest` naming the request's ``field``."""
    try:
        return open_picture(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError) as error:
        raise BadRequest("Invalid encoded image: it is not base64", field) from error


def open_header(data: bytes) -> Image.Image:
    """Uploaded bytes as a picture of which only the header is read: its size and format.

    Raises :class:`BadRequest` for what is no picture of a format in READABLE.
    """
    try:
        return Image.open(BytesIO(data), formats=READABLE)
    except UnidentifiedImageError as error:
        raise BadRequest("Invalid encoded image: it is no picture") from error
    except BROKEN as error:
        raise BadRequest(f"Invalid encoded image: {reason_of(error)}") from error


def open_picture(data: bytes) -> Image.Image:
    """Decode uploaded bytes: upright as EXIF says, a palette's transparency as RGBA (contract 1.4).

    Raises :class:`BadRequest` when they are no picture.
    """
    image = open_header(data)
    try:
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
    except BROKEN as error:
        raise BadRequest(f"Invalid encoded image: {reason_of(error)}") from error
    if isinstance(image.info.get("transparency"), bytes):
        return image.convert("RGBA")
    return image


def check_picture(image: Image.Image) -> None:
    """Decode an opened picture, once and without copies, to see that it can be.

    Raises :class:`BadRequest` as :func:`open_picture` would.
    """
    try:
        image.load()
        image.getexif().get(ExifTags.Base.Orientation)
    except BROKEN as error:
        raise BadRequest(f"Invalid encoded image: {reason_of(error)}") from error


def save(path: Path, data: bytes) -> None:
    """Write a whole file or none: a hidden neighbour is written, flushed and renamed.

    Makes the folder. Raises :class:`CannotSave` (full disk, no permission), leaving nothing.
    """
    try:
        make_folders(path.parent)
        write_atomically(path, data, shared_mode(0o666))
    except OSError as error:
        raise CannotSave(
            f"{path.name} could not be saved: {error.strerror or error}. "
            "Free space or mend the permissions of its folder"
        ) from error


def _chunks(texts: Mapping[str, str]) -> PngInfo:
    chunks = PngInfo()
    for key, text in texts.items():
        chunks.add_text(key, text)  # Pillow falls back to iTXt beyond Latin-1
    return chunks


def _exif(texts: Mapping[str, str]) -> Image.Exif:
    exif = Image.Exif()
    if PARAMETERS in texts:
        comment = UNICODE + texts[PARAMETERS].encode("utf-16-be")
        exif.get_ifd(EXIF_IFD)[USER_COMMENT] = comment
    return exif
