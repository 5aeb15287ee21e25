"""Writes pictures to files atomically."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from generator.atomic_file import make_folders, shared_mode, write_atomically
from generator.errors import BadRequest, CannotSave
from generator.pictures.embedded_text import PARAMETERS, UNICODE, USER_COMMENT, read_text

EXIF_IFD = 0x8769
CONTAINERS = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP"}
LARGEST = {"JPEG": 65500, "WEBP": 16383}
"""Pixels a side that a format can hold; of JPEG what its library writes."""


def encode_picture(
    image: Image.Image,
    format: str = "png",
    infotext: str | None = None,
    quality: int = 80,
    lossless: bool = False,
) -> bytes:
    """The picture as a file of ``format`` (png, jpg, jpeg or webp) that carries ``infotext``.

    ``quality`` 1..100 is that of JPEG and WebP, ``lossless`` WebP's. The text lies where contract
    section 6.3 says: PNG's ``parameters`` chunk, else EXIF's user comment. A picture that is too
    large for the format becomes a PNG. Raises
    :class:`BadRequest` for another format.
    """
    return encode_with_chunks(
        image, format, {} if infotext is None else {PARAMETERS: infotext}, quality, lossless
    )


def encode_with_chunks(
    image: Image.Image,
    format: str,
    chunks: Mapping[str, str],
    quality: int = 80,
    lossless: bool = False,
) -> bytes:
    """As :func:`encode_picture`, with any text chunks; JPEG and WebP keep ``parameters`` alone."""
    container = CONTAINERS.get(format.lower())
    if container is None:
        raise BadRequest(
            f"Invalid image format: {format!r} was asked for; png, jpg, jpeg and webp are known",
            field="samples_format",
            code="unknown_name",
            value=format,
            known=["png", "jpg", "jpeg", "webp"],
        )
    container = container if fits(image.size, format) else "PNG"
    buffer = BytesIO()
    if container == "PNG":
        image.save(buffer, container, pnginfo=_to_png_chunks(chunks))
    else:
        flat = image.convert("RGB") if container == "JPEG" else image
        flat.save(buffer, container, quality=quality, lossless=lossless, exif=_to_exif(chunks))
    return buffer.getvalue()


def fits(size: tuple[int, int], format: str) -> bool:
    """Whether a picture of ``size`` can be a file of ``format``; what cannot is made a PNG."""
    return max(size) <= LARGEST.get(CONTAINERS.get(format.lower(), ""), max(size))


def write_picture_file(path: Path, data: bytes) -> None:
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


def _to_png_chunks(texts: Mapping[str, str]) -> PngInfo:
    chunks = PngInfo()
    for key, text in texts.items():
        # Latin-1 that looks like another encoding would be read as that one; Pillow itself falls
        # back to iTXt beyond Latin-1
        is_clear = read_text(text) == text.strip("\0").strip()
        (chunks.add_text if is_clear else chunks.add_itxt)(key, text)
    return chunks


def _to_exif(texts: Mapping[str, str]) -> Image.Exif:
    exif = Image.Exif()
    if PARAMETERS in texts:
        comment = UNICODE + texts[PARAMETERS].encode("utf-16-be")
        exif.get_ifd(EXIF_IFD)[USER_COMMENT] = comment
    return exif
