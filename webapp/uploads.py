"""Pictures of a request: read strictly, bounded before they are decoded. No torch.

A picture comes as base64, bare or as a ``data:`` URI, or as an http(s) address that it is fetched
from (contract section 1.4). What passes here can
be opened by a worker; everything else is refused with the field named.
"""

import base64
import binascii
import re

from generator.errors import BadRequest
from generator.pictures.saving import open_header, open_picture
from webapp.errors import Refused
from webapp.fetching import FetchRules, fetch, is_link

MOST_BYTES = 64 * 2**20  # of one picture's file
MOST_PIXELS = 8192 * 8192
LONGEST_SIDE = 16384  # pixels
NO_LINKS = FetchRules(enabled=False)
BLANKS = re.compile(r"[ \t\r\n]+")


def picture(field: str, text: str, rules: FetchRules = NO_LINKS) -> str:
    """``text`` as bare base64 of a picture file that was opened once; ``field`` is for refusals.

    Raises ``Refused`` for addresses that ``rules`` do not let be fetched, for what is not base64
    or no picture, and for files of more than 64 MiB or pictures of more than 8192 x 8192 pixels,
    which are never decoded.
    """
    text = text.lstrip()
    if is_link(text):
        text = base64.b64encode(fetch(text, field, rules)).decode("ascii")
    encoded = bare(field, text)
    if len(encoded) // 4 * 3 > MOST_BYTES:
        raise Refused(f"{field}: the picture's file is over {MOST_BYTES >> 20} MiB.")
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise unreadable(field, "it is not base64") from None
    if not data:
        raise unreadable(field, "it is empty")
    check_size(field, data)
    try:
        open_picture(data)
    except BadRequest as error:
        raise unreadable(field, first_words(error)) from None
    return encoded


def bare(field: str, text: str) -> str:
    """The base64 of a field without its ``data:`` prefix and line breaks."""
    start = text[:12].lower().lstrip()
    if start.startswith("data:"):
        head, comma, text = text.partition(",")
        if not comma or not head.strip().lower().endswith(";base64"):
            raise unreadable(field, "its data: prefix should end in ;base64,")
    return BLANKS.sub("", text)


def check_size(field: str, data: bytes) -> None:
    """Refuse what is no picture, and a picture that is too large to decode, by its header alone."""
    try:
        width, height = open_header(data).size
    except BadRequest as error:
        raise unreadable(field, first_words(error)) from None
    if width * height > MOST_PIXELS or max(width, height) > LONGEST_SIDE:
        raise Refused(
            f"{field}: the picture has {width} x {height} pixels; at most {MOST_PIXELS} in all "
            f"and {LONGEST_SIDE} a side are taken."
        )


def unreadable(field: str, why: str) -> Refused:
    """AUTOMATIC1111's sentence with the field and the reason."""
    return Refused(f"{field}: Invalid encoded image: {why}.")


def first_words(error: BaseException) -> str:
    """The reason inside an error, without the sentence that stands before it already."""
    text = str(error).removeprefix("Invalid encoded image: ")
    return text.partition("\n")[0].rstrip(".") or "it cannot be decoded"
