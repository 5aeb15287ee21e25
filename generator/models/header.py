"""Reads what a model file says of itself, without loading a tensor and without torch.

A safetensors file is 8 bytes of little-endian length N, N bytes of JSON, then the tensors. So it
is complete exactly when its size is ``8 + N + max(data_offsets)``. A file of ``torch.save`` is a
zip whose directory, which is written last, can be read; for its older format see ``pickles``.
"""

import json
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from generator.errors import ModelUnreadable
from generator.models.pickles import LEGACY_TORCH, is_whole_legacy

MAX_HEADER = 100_000_000
"""Bytes of JSON; the limit of the safetensors library itself."""


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
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        header = _parse(_header_bytes(file, size, path.name), path.name)
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


def check_pickle(path: Path) -> None:
    """See that a ``.ckpt``, ``.pt``, ``.pth`` or ``.bin`` is complete.

    That is a zip with a readable directory and a ``data.pkl``, or a file in torch's format before
    1.6 that holds all its tensors. Raises :class:`ModelUnreadable` for all else.
    """
    with path.open("rb") as file:
        if file.read(len(LEGACY_TORCH)) == LEGACY_TORCH:
            _must_be_whole(path)
            return
        try:
            with zipfile.ZipFile(file) as archive:
                names = archive.namelist()
        except (
            zipfile.BadZipFile,
            ValueError,
            NotImplementedError,
            EOFError,
            OverflowError,
        ) as e:
            raise ModelUnreadable(
                f"{path.name}: no end of a zip was found. It is still being copied, it is "
                "truncated, or it is no file of torch.save: copy it again"
            ) from e
    if not any(name.endswith("data.pkl") for name in names):
        raise ModelUnreadable(f"{path.name}: a zip, but none of torch.save: there is no data.pkl")


def _must_be_whole(path: Path) -> None:
    if not is_whole_legacy(path):
        raise ModelUnreadable(
            f"{path.name}: in torch's old format, and its last tensors are not there. It is "
            "still being copied, or the copy broke off: copy it again"
        )


def _header_bytes(file: BinaryIO, size: int, name: str) -> bytes:
    start = file.read(8)
    if len(start) < 8:
        raise ModelUnreadable(f"{name}: {size} bytes are too few for a safetensors file")
    (length,) = struct.unpack("<Q", start)
    if not 2 <= length <= MAX_HEADER:
        raise ModelUnreadable(
            f"{name}: no safetensors file: it would begin with {length:,} bytes of header"
        )
    raw = file.read(length) if 8 + length <= size else b""
    if len(raw) < length:
        raise ModelUnreadable(
            f"{name}: {size:,} bytes are there and its header alone takes {8 + length:,}. It is "
            "still being copied, or the copy broke off: copy it again"
        )
    return raw


def _parse(raw: bytes, name: str) -> Header:
    try:
        content = json.loads(raw.decode("utf-8"))
        if not isinstance(content, dict):
            raise TypeError("it is no object")
        metadata = content.pop("__metadata__", None) or {}
        tensors = {key: _entry(key, value) for key, value in content.items()}
        if not isinstance(metadata, dict):
            raise TypeError("__metadata__ is no object")
    except (ValueError, TypeError, RecursionError) as error:
        reason = str(error).splitlines()[0] or "it cannot be parsed"
        raise ModelUnreadable(f"{name}: its safetensors header is damaged: {reason}") from error
    end = max((entry.end for entry in tensors.values()), default=0)
    texts = {str(key): value for key, value in metadata.items() if isinstance(value, str)}
    return Header(texts, tensors, len(raw), 8 + len(raw) + end)


def _entry(name: str, value: object) -> TensorEntry:
    if not isinstance(value, dict):
        raise TypeError(f"{name!r} is no tensor")
    dtype = value.get("dtype")
    shape, offsets = _whole_numbers(value.get("shape")), _whole_numbers(value.get("data_offsets"))
    if not isinstance(dtype, str) or shape is None or offsets is None:
        raise ValueError(f"{name!r} is no tensor")
    if len(offsets) != 2 or offsets[0] > offsets[1]:
        raise ValueError(f"{name!r} lies between {offsets}")
    return TensorEntry(dtype, shape, *offsets)


def _whole_numbers(value: object) -> tuple[int, ...] | None:
    if not isinstance(value, list):
        return None
    for item in value:
        if type(item) is not int or item < 0:  # True is an int, and no number of bytes
            return None
    return tuple(value)
