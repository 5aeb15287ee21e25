"""Reads what a model file says of itself, without loading a tensor and without torch.

A safetensors file is 8 bytes of little-endian length N, N bytes of JSON, then the tensors. So it
is complete exactly when its size is ``8 + N + max(data_offsets)``. A file of ``torch.save`` is a
zip whose directory, which is written last, can be read; for its older format see ``pickles``.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeGuard

from generator.errors import ModelUnreadable
from generator.models.pickle_reader import BadPickle
from generator.models.pickles import LEGACY_TORCH, PICKLE_ERRORS, is_whole_legacy, open_zip
from generator.models.plain_files import open_plain
from generator.models.wrong_content import START_BYTES, describe_content
from generator.reasons import reason_of

MAX_HEADER = 25_000_000  # bytes of JSON; published models have less than one million
MOST_PARTS = 1_000_000  # brackets and commas; 2,500 tensors have 25,000
MOST_DIMENSIONS = 32
LONGEST_SIDE = (1 << 63) - 1
BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "I16": 16, "U16": 16,
    "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64,
    "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
"""Of a number, by its type. Of others the length is not judged."""


class TensorEntry(NamedTuple):
    """One tensor of the header; ``begin`` and ``end`` are bytes after the header.

    A tuple, because a scan of a large collection makes a million of them.
    """

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """The JSON part of a safetensors file. ``size`` is what the whole file must measure."""

    metadata: Mapping[str, str]
    tensors: Mapping[str, TensorEntry]
    length: int  # N, bytes of JSON
    size: int  # 8 + N + max(data_offsets)


def read_header(path: Path) -> Header:
    """The header of a complete safetensors file.

    Raises :class:`ModelUnreadable`, saying what is wrong, for everything else: truncated, too
    long, or not safetensors. Raises OSError where the file cannot be opened.
    """
    with open_plain(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        header = _parse_header(_header_bytes(file, size, path.name), path.name)
    if size < header.size:
        raise ModelUnreadable(
            f"{path.name}: {size:,} of {header.size:,} bytes are there. It is still being copied, "
            "or the copy broke off: copy it again"
        )
    if size > header.size:
        raise ModelUnreadable(
            f"{path.name}: {size:,} bytes, though its header tells of {header.size:,}. It is "
            "damaged: copy it again"
        )
    return header


def read_bytes_of(path: Path, header: Header, name: str, most: int) -> bytes:
    """The bytes of one tensor, at most ``most`` of them. Raises as :func:`read_header` does."""
    entry = header.tensors[name]
    with open_plain(path) as file:
        file.seek(8 + header.length + entry.begin)
        return file.read(min(entry.end - entry.begin, most))


def check_pickle(path: Path) -> None:
    """See that a ``.ckpt``, ``.pt``, ``.pth`` or ``.bin`` is complete.

    That is a zip with a readable directory and a ``data.pkl``, or a file in torch's format before
    1.6 that holds all its tensors. Raises :class:`ModelUnreadable` for all else.
    """
    with open_plain(path) as file:
        if file.read(len(LEGACY_TORCH)) == LEGACY_TORCH:
            _check_complete(path)
            return
        try:
            with open_zip(file) as archive:
                names = archive.namelist()
        except BadPickle as error:
            raise ModelUnreadable(f"{path.name}: {error}") from error
        except PICKLE_ERRORS as e:
            file.seek(0)
            found = describe_content(file.read(START_BYTES))
            if found and not found.startswith("a zip"):
                raise ModelUnreadable(f"{path.name}: no file of torch.save: it is {found}") from e
            raise ModelUnreadable(
                f"{path.name}: no end of a zip was found. It is still being copied, it is "
                "truncated, or it is no file of torch.save: copy it again"
            ) from e
    if not any(name.endswith("data.pkl") for name in names):
        raise ModelUnreadable(
            f"{path.name}: a zip, but none of torch.save: there is no data.pkl. Unpack it, or copy "
            "it again"
        )


def _check_complete(path: Path) -> None:
    if not is_whole_legacy(path):
        raise ModelUnreadable(
            f"{path.name}: in torch's old format, and its last tensors are not there. It is "
            "still being copied, or the copy broke off: copy it again"
        )


def _header_bytes(file: BinaryIO, size: int, name: str) -> bytes:
    start = file.read(START_BYTES)
    length = int.from_bytes(start[:8], "little")
    if length > MAX_HEADER and start[8:9] == b"{":
        raise ModelUnreadable(
            f"{name}: its header would have {length:,} bytes, and at most {MAX_HEADER:,} are read. "
            "Copy it again, or save it with less metadata"
        )
    if len(start) < 8 or not 2 <= length <= MAX_HEADER or start[8:9] not in (b"{", b""):
        found = describe_content(start) or "damaged, or of another kind. Copy it again"
        raise ModelUnreadable(f"{name}: no safetensors file: it is {found}")
    file.seek(8)
    raw = file.read(length) if 8 + length <= size else b""
    if len(raw) < length:
        raise ModelUnreadable(
            f"{name}: {size:,} bytes are there and its header alone takes {8 + length:,}. It is "
            "still being copied, or the copy broke off: copy it again"
        )
    return raw


def _parse_header(raw: bytes, name: str) -> Header:
    try:
        content = _parse_object(raw)
        metadata = content.pop("__metadata__", None) or {}
        tensors = {key: _parse_entry(key, value) for key, value in content.items()}
        if not isinstance(metadata, dict):
            raise TypeError("__metadata__ is no object")
        end = _end_offset(tensors)
        texts = {str(key): value for key, value in metadata.items() if isinstance(value, str)}
        if b"\\u" in raw:  # half of a pair of surrogates is in no answer of the service
            for text in (*tensors, *texts, *texts.values()):
                text.encode()
    except UnicodeError as error:
        raise _damaged_error(name, "a text in it is no UTF-8") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise _damaged_error(
            name, reason_of(error, "it cannot be parsed", (ValueError, TypeError))
        ) from error
    return Header(texts, tensors, len(raw), 8 + len(raw) + end)


def _damaged_error(name: str, reason: str) -> ModelUnreadable:
    return ModelUnreadable(f"{name}: its safetensors header is damaged: {reason}. Copy it again")


def _parse_object(raw: bytes) -> dict[str, object]:
    """The JSON of a header: no deeper, no larger and no stranger than a model's."""
    if sum(raw.count(mark) for mark in (b"{", b"[", b",")) > MOST_PARTS:
        raise ValueError(f"it has more than {MOST_PARTS:,} parts")
    content = json.loads(
        raw.decode(), object_pairs_hook=_unique_members, parse_constant=refuse_constant
    )
    if not isinstance(content, dict):
        raise TypeError("it is no object")
    return content


def _unique_members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name stands in it twice")
    return members


def refuse_constant(text: str) -> object:
    """Raise ``ValueError`` for NaN and Infinity, which are no JSON: json's ``parse_constant``."""
    raise ValueError(f"{text} is no number")


def _end_offset(tensors: Mapping[str, TensorEntry]) -> int:
    """Where the last tensor ends; they follow one another without a gap."""
    end = 0
    for begin, after in sorted((entry.begin, entry.end) for entry in tensors.values()):
        if begin != end:
            raise ValueError("its tensors overlap, or there is a gap between them")
        end = after
    return end


def _parse_entry(name: str, value: object) -> TensorEntry:
    if not isinstance(value, dict):
        raise TypeError(f"{name[:80]!r} is no tensor")
    dtype, shape, offsets = value.get("dtype"), value.get("shape"), value.get("data_offsets")
    if not (isinstance(dtype, str) and _are_sizes(shape) and _are_sizes(offsets)):
        raise ValueError(f"{name[:80]!r} is no tensor")
    if len(offsets) != 2:
        raise ValueError(f"{name[:80]!r} is no tensor")
    begin, end = offsets
    bits = BITS.get(dtype)
    if begin > end or (bits is not None and (end - begin) * 8 != math.prod(shape) * bits):
        raise ValueError(f"{name[:80]!r} lies between {begin} and {end}, which does not hold it")
    return TensorEntry(dtype, tuple(shape), begin, end)


def _are_sizes(value: object) -> TypeGuard[list[int]]:
    if type(value) is not list or len(value) > MOST_DIMENSIONS:
        return False
    # True is an int, and no number of bytes
    return not value or (
        set(map(type, value)) == {int} and 0 <= min(value) <= max(value) <= LONGEST_SIDE
    )
