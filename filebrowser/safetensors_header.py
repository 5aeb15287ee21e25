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

MAX_HEADER_BYTES = 25_000_000  # bytes of JSON; published checkpoints have less than one million
MAX_TENSORS = 100_000
MAX_PARTS = 1_000_000  # brackets and commas, each of which may become an object
METADATA = "__metadata__"
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "I16": 16, "U16": 16,
    "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64,
    "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SafetensorsHeader:
    """A parsed header: metadata, and shape and dtype of each tensor."""

    metadata: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]
    header_size: int  # bytes of JSON
    file_size: int  # what the whole file must measure


class TooShort(WrongContent):
    """The header is longer than what is there; ``needed`` bytes from the start hold it."""

    def __init__(self, text: str, needed: int) -> None:
        super().__init__(text)
        self.needed = needed


def read_header(file: int) -> SafetensorsHeader:
    """The header of an open and complete file, from wherever its descriptor stands.

    Raises :class:`WrongContent`, saying what is wrong, for everything else.
    """
    size = os.fstat(file).st_size
    start = os.pread(file, 8, 0)
    length = header_length(start)
    if 8 + length > size:
        raise WrongContent(f"The header takes {8 + length:,} bytes and the file has {size:,}.")
    header = parse_header(start + os.pread(file, length, 8))
    if header.file_size != size:
        raise WrongContent(
            f"The header tells of {header.file_size:,} bytes and the file has {size:,}: it is "
            "damaged, "
            "or a part of it."
        )
    return header


def header_length(start: bytes) -> int:
    """How long the JSON is, by the file's first 8 bytes. Raises :class:`WrongContent`."""
    if len(start) < 8:
        raise TooShort(f"{len(start)} bytes are too few for a safetensors file.", 8)
    (length,) = struct.unpack("<Q", start[:8])
    if not 2 <= length <= MAX_HEADER_BYTES:
        raise WrongContent(
            f"This is no safetensors file: its header would have {length:,} bytes, at most "
            f"{MAX_HEADER_BYTES:,} are read."
        )
    return int(length)


def parse_header(start: bytes) -> SafetensorsHeader:
    """The header in the first bytes of a file. Raises :class:`TooShort` where it is not all there.

    Tensors must follow one another without a gap, each as long as its type and shape say.
    """
    length = header_length(start)
    if len(start) > 8 and start[8:9] != b"{":
        raise WrongContent("This is no safetensors file: its header does not begin with '{'.")
    if len(start) < 8 + length:
        raise TooShort(f"The header ends at byte {8 + length:,}.", 8 + length)
    text = start[8 : 8 + length]
    if text.count(b'"data_offsets"') > MAX_TENSORS:
        raise WrongContent(f"The header tells of more than {MAX_TENSORS:,} tensors.")
    if sum(text.count(mark) for mark in (b"{", b"[", b",")) > MAX_PARTS:
        raise WrongContent(f"The header has more than {MAX_PARTS:,} parts.")
    try:
        content = json.loads(
            text.decode("utf-8"),
            object_pairs_hook=_reject_duplicates,
            parse_constant=_reject_constant,
        )
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0][:200]
        raise WrongContent(f"The safetensors header cannot be read: {reason}.") from None
    return _check_header(content, length)


def _reject_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a name stands in it twice")
    return fields


def _reject_constant(text: str) -> object:
    raise ValueError(f"{text} is no number")


def _check_header(content: object, length: int) -> SafetensorsHeader:
    if not isinstance(content, dict):
        raise WrongContent("The safetensors header is no object.")
    metadata = content.pop(METADATA, None) or {}
    texts_only = isinstance(metadata, dict) and all(isinstance(v, str) for v in metadata.values())
    if not texts_only:
        raise WrongContent("The safetensors header's metadata are no texts.")
    shapes, dtypes, spans = {}, {}, []
    for name, entry in content.items():
        shapes[name], dtypes[name], span = _check_tensor(name, entry)
        spans.append(span)
    end = 0
    for begin, after in sorted(spans):
        if begin != end:
            raise WrongContent("The tensors overlap, or there is a gap between them.")
        end = after
    return SafetensorsHeader(metadata, shapes, dtypes, length, 8 + length + end)


def _check_tensor(name: str, entry: object) -> tuple[tuple[int, ...], str, tuple[int, int]]:
    short_name = name[:80]
    if not isinstance(entry, dict):
        raise WrongContent(f"{short_name!r} is no tensor.")
    dtype, shape = entry.get("dtype"), _to_int_tuple(entry.get("shape"))
    offsets = _to_int_tuple(entry.get("data_offsets"))
    if not isinstance(dtype, str) or shape is None or offsets is None or len(offsets) != 2:
        raise WrongContent(f"{short_name!r} is no tensor.")
    bits = BITS.get(dtype)
    if bits is None:
        raise WrongContent(f"{short_name!r} is of the type {dtype[:20]!r}, which nobody knows.")
    begin, end = offsets
    if (end - begin) * 8 != _product(shape) * bits:
        raise WrongContent(
            f"{short_name!r} takes {end - begin:,} bytes, which is not what it holds."
        )
    return shape, dtype, (begin, end)


def _to_int_tuple(value: object) -> tuple[int, ...] | None:
    if not isinstance(value, list) or len(value) > 32:
        return None
    is_valid = all(type(item) is int and 0 <= item < 1 << 63 for item in value)
    return tuple(value) if is_valid else None


def _product(shape: tuple[int, ...]) -> int:
    product = 1
    for side in shape:
        product *= side
    return product
