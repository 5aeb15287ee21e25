"""Bounded parsing of safetensors headers from untrusted files.

8 bytes of little-endian length N, N bytes of JSON, then the tensors; the file is whole exactly when
its size is ``8 + N + max(data_offsets)``. Bounded in time and memory, whatever is in it.
"""

import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from filebrowser.errors import WrongContent

LONGEST_HEADER = 25_000_000  # bytes of JSON; published checkpoints have less than one million
MOST_TENSORS = 100_000
MOST_PARTS = 1_000_000  # brackets and commas, each of which may become an object
METADATA = "__metadata__"
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "I16": 16, "U16": 16,
    "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64,
    "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tensors:
    """A parsed header: metadata, and shape and dtype of each tensor."""

    metadata: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]
    header: int  # bytes of JSON
    size: int  # what the whole file must measure


class TooShort(WrongContent):
    """The header is longer than what is there; ``needed`` bytes from the start hold it."""

    def __init__(self, text: str, needed: int) -> None:
        super().__init__(text)
        self.needed = needed


def read_tensors(file: int) -> Tensors:
    """The header of an open and complete file, from wherever its descriptor stands.

    Raises :class:`WrongContent`, saying what is wrong, for everything else.
    """
    size = os.fstat(file).st_size
    start = os.pread(file, 8, 0)
    length = header_length(start)
    if 8 + length > size:
        raise WrongContent(f"The header takes {8 + length:,} bytes and the file has {size:,}.")
    found = parse(start + os.pread(file, length, 8))
    if found.size != size:
        raise WrongContent(
            f"The header tells of {found.size:,} bytes and the file has {size:,}: it is damaged, "
            "or a part of it."
        )
    return found


def header_length(start: bytes) -> int:
    """How long the JSON is, by the file's first 8 bytes. Raises :class:`WrongContent`."""
    if len(start) < 8:
        raise TooShort(f"{len(start)} bytes are too few for a safetensors file.", 8)
    (length,) = struct.unpack("<Q", start[:8])
    if not 2 <= length <= LONGEST_HEADER:
        raise WrongContent(
            f"This is no safetensors file: its header would have {length:,} bytes, at most "
            f"{LONGEST_HEADER:,} are read."
        )
    return int(length)


def parse(start: bytes) -> Tensors:
    """The header in the first bytes of a file. Raises :class:`TooShort` where it is not all there.

    Tensors must follow one another without a gap, each as long as its type and shape say.
    """
    length = header_length(start)
    if len(start) > 8 and start[8:9] != b"{":
        raise WrongContent("This is no safetensors file: its header does not begin with '{'.")
    if len(start) < 8 + length:
        raise TooShort(f"The header ends at byte {8 + length:,}.", 8 + length)
    text = start[8 : 8 + length]
    if text.count(b'"data_offsets"') > MOST_TENSORS:
        raise WrongContent(f"The header tells of more than {MOST_TENSORS:,} tensors.")
    if sum(text.count(mark) for mark in (b"{", b"[", b",")) > MOST_PARTS:
        raise WrongContent(f"The header has more than {MOST_PARTS:,} parts.")
    try:
        content = json.loads(
            text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number
        )
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0][:200]
        raise WrongContent(f"The safetensors header cannot be read: {reason}.") from None
    return _judged(content, length)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands in it twice")
    return found


def _no_number(text: str) -> object:
    raise ValueError(f"{text} is no number")


def _judged(content: object, length: int) -> Tensors:
    if not isinstance(content, dict):
        raise WrongContent("The safetensors header is no object.")
    metadata = content.pop(METADATA, None) or {}
    texts_only = isinstance(metadata, dict) and all(isinstance(v, str) for v in metadata.values())
    if not texts_only:
        raise WrongContent("The safetensors header's metadata are no texts.")
    shapes, dtypes, spans = {}, {}, []
    for name, entry in content.items():
        shapes[name], dtypes[name], span = _entry(name, entry)
        spans.append(span)
    end = 0
    for begin, after in sorted(spans):
        if begin != end:
            raise WrongContent("The tensors overlap, or there is a gap between them.")
        end = after
    return Tensors(metadata, shapes, dtypes, length, 8 + length + end)


def _entry(name: str, entry: object) -> tuple[tuple[int, ...], str, tuple[int, int]]:
    shown = name[:80]
    if not isinstance(entry, dict):
        raise WrongContent(f"{shown!r} is no tensor.")
    dtype, shape = entry.get("dtype"), _numbers(entry.get("shape"))
    offsets = _numbers(entry.get("data_offsets"))
    if not isinstance(dtype, str) or shape is None or offsets is None or len(offsets) != 2:
        raise WrongContent(f"{shown!r} is no tensor.")
    bits = BITS.get(dtype)
    if bits is None:
        raise WrongContent(f"{shown!r} is of the type {dtype[:20]!r}, which nobody knows.")
    begin, end = offsets
    if (end - begin) * 8 != _product(shape) * bits:
        raise WrongContent(f"{shown!r} takes {end - begin:,} bytes, which is not what it holds.")
    return shape, dtype, (begin, end)


def _numbers(value: object) -> tuple[int, ...] | None:
    if not isinstance(value, list) or len(value) > 32:
        return None
    whole = all(type(item) is int and 0 <= item < 1 << 63 for item in value)
    return tuple(value) if whole else None


def _product(shape: tuple[int, ...]) -> int:
    found = 1
    for side in shape:
        found *= side
    return found
