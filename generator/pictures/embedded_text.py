"""Reads texts embedded in pictures by any program. No torch.

Contract section 6.3, and what other programs do: EXIF comments of every kind, texts in the first
directory of EXIF, chunks in UTF-8, NovelAI's JSON.
"""

import codecs
import json
import unicodedata
from collections.abc import Iterator, Mapping
from itertools import pairwise
from types import MappingProxyType

from PIL import ExifTags, Image
from PIL.PngImagePlugin import iTXt

from generator.pictures.base64_images import DAMAGED_PICTURE_ERRORS
from generator.pictures.infotext_parser import parse_infotext
from generator.pictures.other_programs import infotext_of_json

PARAMETERS = "parameters"  # the chunk that holds the infotext
USER_COMMENT = ExifTags.Base.UserComment
UNICODE = b"UNICODE\0"  # the EXIF standard's mark of a UTF-16 comment
ASCII, JIS, UNDEFINED = b"ASCII\0\0\0", b"JIS\0\0\0\0\0", bytes(8)
OTHER_PROGRAMS_KEYS = ("invokeai_metadata", "prompt")  # chunks of InvokeAI and ComfyUI
MARK_BYTES = 8  # bytes of such a mark
MAX_TEXT_LENGTH = 1_000_000  # characters of one text, and of an infotext
BYTE_ORDER_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
UNASSIGNED_CATEGORIES = ("Cn", "Co", "Cs")  # Unicode's categories of what is in no text
SAMPLE_BYTES = 2000  # bytes by which the order of UTF-16 is told
DIRECTORY = (
    *("ImageDescription", "XPTitle", "XPComment", "XPSubject", "XPKeywords"),
    *("Artist", "Copyright", "Software", "Make", "Model"),
)
"""Texts of EXIF's first directory. ComfyUI puts its graph into some of them."""

SAMPLERS = MappingProxyType(
    {
        "k_euler_ancestral": "Euler a",
        "k_euler": "Euler",
        "k_lms": "LMS",
        "k_heun": "Heun",
        "k_dpm_2": "DPM2",
        "k_dpm_2_ancestral": "DPM2 a",
        "k_dpmpp_2m": "DPM++ 2M",
        "k_dpmpp_2s_ancestral": "DPM++ 2S a",
        "k_dpmpp_sde": "DPM++ SDE",
        "k_dpmpp_2m_sde": "DPM++ 2M SDE",
        "ddim": "DDIM",
        "plms": "PLMS",
    }
)
"""NovelAI's names; another one is taken for the first, as AUTOMATIC1111 does."""

BINARY_KEYS = ("comment", "xmp")  # texts that Pillow leaves undecoded
IGNORED_KEYS = frozenset(
    {
        *("jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi", "exif", "loop", "photoshop"),
        *("background", "timestamp", "duration", "progressive", "progression", "icc_profile"),
        *("chromaticity", "parameters"),
    }
)
"""Entries of a picture's header that say nothing about how it was made (contract 6.3)."""


def read_infotext(image: Image.Image, *, header_only: bool = False) -> str:
    """The text that tells how an opened picture was made, "" where there is none.

    EXIF's comment wins over the chunk ``parameters``, this over other comments and descriptions;
    but what reads like an infotext wins over what does not. ``header_only``: nothing is decoded;
    what stands behind a PNG's pixels is not found.
    """
    infotexts = [_as_infotext(text) for text in _candidate_texts(image, header_only) if text]
    infotexts = infotexts or list(_infotexts_of_other_programs(image, header_only))
    return next(
        (text for text in infotexts if _is_infotext(text)), infotexts[0] if infotexts else ""
    )


def other_texts(image: Image.Image, infotext: str) -> dict[str, object]:
    """What else a decoded picture's header says in words or numbers, by name."""
    texts: dict[str, object] = {}
    for key, value in image.info.items():
        if key == PARAMETERS and infotext_of_json(read_text(value)):
            texts[PARAMETERS] = read_text(value)  # ``infotext`` was made of it
        if key in IGNORED_KEYS or str(key).startswith("Raw profile type"):
            continue
        text = value if isinstance(value, int | float) else ""
        if isinstance(value, str) or key in BINARY_KEYS:
            text = read_text(value)
        if text not in ("", infotext):
            texts[str(key)] = text
    exif = {**_read_directory(image, False), "UserComment": _read_comment(image, False)}
    return texts | {key: text for key, text in exif.items() if text not in ("", infotext)}


def _candidate_texts(image: Image.Image, header_only: bool) -> Iterator[str]:
    chunks = image.info
    yield _infotext_of_novel_ai(image)
    yield _read_comment(image, header_only)
    yield read_text(chunks.get(PARAMETERS, ""))
    yield read_text(chunks.get("comment", ""))
    directory = _read_directory(image, header_only)
    yield directory.get("ImageDescription", "")
    yield directory.get("XPComment", "")


def _infotexts_of_other_programs(image: Image.Image, header_only: bool) -> Iterator[str]:
    """Infotexts made of what InvokeAI and ComfyUI write."""
    for name in OTHER_PROGRAMS_KEYS:
        yield infotext_of_json(read_text(image.info.get(name, "")))
    for text in _read_directory(image, header_only).values():
        name, mark, rest = text.partition(":")
        yield infotext_of_json(rest if mark and name.lower() == "prompt" else "")


def _as_infotext(text: str) -> str:
    """``text``, or what it tells as JSON of SwarmUI or Fooocus."""
    return (infotext_of_json(text) if text.startswith("{") else "") or text


def _is_infotext(text: str) -> bool:
    return text.startswith("{") or bool(parse_infotext(text).parameters)


def read_text(value: object) -> str:
    """The text of a chunk. Pillow reads PNG's tEXt as Latin-1; most programs write UTF-8."""
    if isinstance(value, bytes):
        return _decode_bytes(value)
    if not isinstance(value, str):
        return ""
    try:
        return (
            value[:MAX_TEXT_LENGTH]
            if isinstance(value, iTXt)
            else _decode_bytes(value.encode("latin-1"))
        )
    except UnicodeEncodeError:
        return value[:MAX_TEXT_LENGTH]


def _read_exif(image: Image.Image, header_only: bool) -> Image.Exif:
    """EXIF; none where it is damaged, or has to be searched for behind the pixels."""
    # Pillow decodes a PNG without EXIF, in case there is some at its end.
    hidden = image.format == "PNG" and not {"exif", "Raw profile type exif"} & image.info.keys()
    try:
        return Image.Exif() if header_only and hidden else image.getexif()
    except DAMAGED_PICTURE_ERRORS:
        return Image.Exif()


def _read_comment(image: Image.Image, header_only: bool) -> str:
    exif = _read_exif(image, header_only)
    try:
        comment = exif.get_ifd(ExifTags.IFD.Exif).get(USER_COMMENT, b"")
    except DAMAGED_PICTURE_ERRORS:
        return ""
    return decode_comment(_exif_bytes(comment))


def _read_directory(image: Image.Image, header_only: bool) -> Mapping[str, str]:
    exif = _read_exif(image, header_only)
    texts = {}
    for name in DIRECTORY:
        try:
            value = _exif_bytes(exif.get(ExifTags.Base[name], b""))
        except DAMAGED_PICTURE_ERRORS:
            continue
        wide = name.startswith("XP")  # Windows writes these in UTF-16
        texts[name] = (
            _strip_unprintable(value.decode("utf-16-le", "replace"))
            if wide
            else _decode_bytes(value)
        )
    return texts


def _exif_bytes(value: object) -> bytes:
    """A value of EXIF as it stood there: Pillow reads those of kind ASCII as Latin-1."""
    if isinstance(value, str):
        return value.encode("latin-1", "replace")
    return value if isinstance(value, bytes) else b""


def decode_comment(comment: bytes) -> str:
    """EXIF's user comment: marked ASCII, JIS, UNICODE or undefined, or bare."""
    mark, rest = comment[:MARK_BYTES].upper(), comment[MARK_BYTES:]
    if mark == UNICODE:
        return _decode_utf16(rest)
    if mark == JIS:
        return _strip_unprintable(
            _decode_by_first(rest, "iso2022_jp" if b"\x1b" in rest else "utf-8", "shift_jis")
        )
    return _decode_bytes(rest if mark in (ASCII, UNDEFINED) else comment)


def _decode_bytes(data: bytes) -> str:
    """UTF-8, UTF-16 by its byte-order mark or its many zeros, else Windows' Western letters."""
    bare = data.strip(b"\0")
    if data.startswith(BYTE_ORDER_MARKS) or bare.count(0) > len(bare) // 4:
        return _decode_utf16(data)
    return _strip_unprintable(_decode_by_first(bare, "utf-8-sig"))


def _decode_by_first(data: bytes, *encodings: str) -> str:
    """By the first of these encodings that fits."""
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("cp1252", "replace")


def _decode_utf16(data: bytes) -> str:
    """UTF-16 in the order of its mark, else in the likelier one; UTF-8 that is called so."""
    if data.startswith(BYTE_ORDER_MARKS):
        return _strip_unprintable(data.decode("utf-16", "replace"))
    if b"\0" not in data:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = ""
        if any(sign.isascii() and sign.isalpha() for sign in text):
            return _strip_unprintable(text)
    head = data[:SAMPLE_BYTES]
    order = max(("utf-16-be", "utf-16-le"), key=lambda each: _encoding_likelihood(head, each))
    return _strip_unprintable(data.decode(order, "replace"))


def _encoding_likelihood(head: bytes, encoding: str) -> int:
    """How many pairs of ASCII letters a text has in this encoding, less signs that do not exist."""
    text = head.decode(encoding, "replace")
    odd = sum(
        unicodedata.category(sign) in UNASSIGNED_CATEGORIES or sign == "\ufffd" for sign in text
    )
    return sum(" " <= pair[0] <= "~" and " " <= pair[1] <= "~" for pair in pairwise(text)) - odd


def _strip_unprintable(text: str) -> str:
    return text.strip("\0").strip()[:MAX_TEXT_LENGTH]


def _infotext_of_novel_ai(image: Image.Image) -> str:
    """NovelAI's description and JSON as an infotext, as AUTOMATIC1111 reads them."""
    chunks = image.info
    if chunks.get("Software") != "NovelAI":
        return ""
    try:
        parameters = json.loads(read_text(chunks.get("Comment", "")))
        prompt = read_text(chunks.get("Description", "")) or str(parameters["prompt"])
        sampler = SAMPLERS.get(str(parameters["sampler"]), "Euler a")
        return (
            f"{prompt}\nNegative prompt: {parameters['uc']}\n"
            f"Steps: {parameters['steps']}, Sampler: {sampler}, "
            f"CFG scale: {parameters['scale']}, Seed: {parameters['seed']}, "
            f"Size: {image.width}x{image.height}, Clip skip: 2, ENSD: 31337"
        )[:MAX_TEXT_LENGTH]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
