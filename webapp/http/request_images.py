"""Pictures of a request: read strictly, bounded before they are decoded. No torch.

A picture comes as base64, bare or as a ``data:`` URI, or as an http(s) address that it is fetched
from (contract section 1.4). What passes here can
be opened by a worker; everything else is refused with the field named.
"""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from PIL import Image

from filebrowser.errors import TooMuch
from filebrowser.pictures.decoded_size import decoded_bytes
from filebrowser.pictures.image_open import DECODE_BUDGET, reserve_decoding
from filebrowser.pictures.memory_budget import MemoryBudget
from generator.errors import BadRequest
from generator.pictures.base64_images import (
    check_picture,
    decode,
    fingerprint_of,
    open_header,
    read_base64,
)
from webapp.errors import Refused
from webapp.http.url_fetch import FetchRules, fetch, is_link

MAX_BYTES = 64 * 2**20  # of one picture's file
MAX_PIXELS = 8192 * 8192
MAX_PIXELS_IN_ALL = 8 * MAX_PIXELS  # of all pictures of a request that a worker decodes at once
MAX_SIDE = 16384  # pixels
CHUNK_CHARACTERS = 4 * 2**20  # characters of base64 that are decoded at once; a multiple of four
TRANSPARENT = 128  # alpha up to which a mask counts as transparent
NO_LINKS = FetchRules(enabled=False)
BLANKS = re.compile(r"[ \t\r\n]+")


@dataclass(frozen=True, slots=True)
class PictureShape:
    """Width and height of a picture that stands upright, and whether it has transparent parts."""

    size: tuple[int, int]
    is_transparent: bool


@dataclass(slots=True)
class PictureReader:
    """Reads the pictures of one request, within the memory that all requests share.

    ``max_pixels`` pixels may come in one request, as its worker holds them all at once.
    """

    rules: FetchRules = NO_LINKS
    memory: MemoryBudget = field(default_factory=lambda: MemoryBudget(DECODE_BUDGET))
    max_pixels: int | None = MAX_PIXELS_IN_ALL
    on_fetched: Callable[[int], None] = lambda size: None  # told the bytes that came by an address
    pixels: int = 0

    def __call__(self, name: str, text: str) -> str:
        """The picture in the field ``name`` as bare base64 of a file that was decoded once.

        Raises ``Refused`` for addresses that the rules do not let be fetched, for what is not
        base64 or no picture, and for files of more than 64 MiB or pictures of more than
        8192 x 8192 pixels, which are never decoded; ``Overloaded`` where memory is short.
        """
        text = text.lstrip()
        if is_link(text):
            text = base64.b64encode(fetch(text, name, self.rules)).decode("ascii")
            self.on_fetched(len(text))
        encoded, width, height = read_picture(name, text, self.memory)
        self.pixels += width * height
        if self.max_pixels is not None and self.pixels > self.max_pixels:
            raise Refused(
                f"{name}: the pictures of this request have more than {self.max_pixels:,} pixels "
                "in all; send fewer, or smaller ones.",
                "picture_too_large",
                most=self.max_pixels,
            )
        return encoded

    def fingerprint(self, encoded: str) -> str:
        """What tells a picture that was read from others: the md5 of its pixels."""
        image = open_header(base64.b64decode(encoded))
        with self.memory.hold(decoded_bytes(image, copies=2)):
            return fingerprint_of(read_base64(encoded))

    def describe(self, encoded: str) -> PictureShape:
        """The shape of a picture that was read. Raises ``Overloaded`` where memory is short."""
        image = open_header(base64.b64decode(encoded))
        with self.memory.hold(decoded_bytes(image, copies=2)):
            picture = decode(image)
            clear = picture.mode == "RGBA" and any(
                picture.getchannel("A").histogram()[: TRANSPARENT + 1]
            )
        return PictureShape(picture.size, clear)


def read_picture(field: str, text: str, memory: MemoryBudget) -> tuple[str, int, int]:
    """The picture in ``text`` as :class:`PictureReader` gives it, and its width and height."""
    encoded = strip_data_prefix(field, text)
    if len(encoded) // 4 * 3 > MAX_BYTES:
        text = f"{field}: the picture's file is over {MAX_BYTES >> 20} MiB."
        raise Refused(text, "picture_too_large")
    try:
        data = decode_in_pieces(encoded)
    except (binascii.Error, ValueError):
        raise unreadable_picture(field, "it is not base64") from None
    if not data:
        raise unreadable_picture(field, "it is empty")
    image = open_checked_header(field, data)
    width, height = image.size
    try:
        with reserve_decoding(image, memory):
            check_picture(image)
    except TooMuch as error:
        raise Refused(
            f"{field}: {error} (--decode-budget). Send a smaller one, or a PNG.",
            "picture_too_large",
        ) from None
    except BadRequest as error:
        raise unreadable_picture(field, short_reason(error)) from None
    return encoded, width, height


def decode_in_pieces(encoded: str) -> bytes:
    """The bytes of strict base64; between two pieces, other threads have their turn.

    In one piece, 100 MB would hold all of the process's threads for a second on a busy machine.
    Raises ``ValueError``.
    """
    if "=" in encoded[:-2]:
        raise ValueError("padding before the end")
    starts = range(0, len(encoded), CHUNK_CHARACTERS)
    return b"".join(
        base64.b64decode(encoded[start : start + CHUNK_CHARACTERS], validate=True)
        for start in starts
    )


def strip_data_prefix(field: str, text: str) -> str:
    """The base64 text of a field without its ``data:`` prefix and whitespace."""
    start = text[:12].lower().lstrip()
    if start.startswith("data:"):
        head, comma, text = text.partition(",")
        if not comma or not head.strip().lower().endswith(";base64"):
            raise unreadable_picture(field, "its data: prefix should end in ;base64,")
    return BLANKS.sub("", text) if any(blank in text for blank in " \t\r\n") else text


def open_checked_header(field: str, data: bytes) -> Image.Image:
    """The opened picture; what is none, or too large to decode, is refused by its header alone."""
    try:
        image = open_header(data)
    except BadRequest as error:
        raise unreadable_picture(field, short_reason(error)) from None
    width, height = image.size
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise Refused(
            f"{field}: the picture has {width} x {height} pixels; at most {MAX_PIXELS} in all "
            f"and {MAX_SIDE} a side are taken.",
            "picture_too_large",
            most=MAX_PIXELS,
        )
    return image


def unreadable_picture(field: str, why: str) -> Refused:
    """AUTOMATIC1111's sentence with the field and the reason."""
    return Refused(f"{field}: Invalid encoded image: {why}.", "bad_picture")


def short_reason(error: BaseException) -> str:
    """The reason inside an error, without the sentence that stands before it already."""
    text = str(error).removeprefix("Invalid encoded image: ")
    return text.partition("\n")[0].rstrip(".") or "it cannot be decoded"
