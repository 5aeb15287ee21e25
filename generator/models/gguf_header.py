"""Reads what a GGUF file says of itself: its architecture and its tensors, never their numbers.

A GGUF file is a magic, a version, two counts, key/value pairs, one record a tensor, then the
tensors at an alignment. Nothing in it is believed before it is bounded.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from generator.errors import ModelUnreadable
from generator.models.plain_files import open_plain
from generator.models.wrong_content import START_BYTES, describe_content

GGUF_SUFFIX = ".gguf"
MAGIC = b"GGUF"
VERSIONS = (2, 3)
MAX_HEADER = 64_000_000  # bytes before the tensors; vocabularies take some ten millions
MOST_STRINGS = 1_000_000  # within arrays, together; a vocabulary and its merges have 600,000
MOST_TENSORS = 100_000
MOST_PAIRS = 10_000
LONGEST_STRING = 1 << 20  # bytes
MOST_DIMENSIONS = 8
DEEPEST = 4  # arrays within arrays
ALIGNMENT = 32  # bytes, where the file tells no other
STRING, ARRAY = 8, 9
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a value, by its type; strings and arrays have their own length."""
INTEGERS = {0: "<B", 2: "<H", 4: "<I", 5: "<i", 10: "<Q"}
BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 20: (32, 18),
    23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 30: (1, 2),
}  # fmt: skip
"""Numbers in a block and its bytes, by a tensor's type. Of other types the length is not known."""


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What stands before the tensors. ``size`` is what the file measures at least, in bytes."""

    architecture: str  # general.architecture: "flux", "qwen_image", "llama"; "" where not told
    shapes: Mapping[str, tuple[int, ...]]  # in torch's order, the slowest axis first
    size: int


def read_gguf(path: Path) -> GgufHeader:
    """The header of a complete GGUF file.

    Raises :class:`ModelUnreadable`, saying what is wrong, for everything else. Raises OSError where
    the file cannot be opened.
    """
    with open_plain(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        start = file.read(START_BYTES)
        if not start.startswith(MAGIC):
            found = describe_content(start) or "damaged, or of another kind. Copy it again"
            raise ModelUnreadable(f"{path.name}: no GGUF file: it is {found}")
        file.seek(0)
        try:
            header = _Reader(file).read_header()
        except (ValueError, struct.error, UnicodeError) as error:
            raise ModelUnreadable(
                f"{path.name}: its GGUF header is damaged or cut off: {error}. Copy it again"
            ) from error
    if size < header.size:
        raise ModelUnreadable(
            f"{path.name}: {size:,} of at least {header.size:,} bytes are there. It is still being "
            "copied, or the copy broke off: copy it again"
        )
    return header


class _Reader:
    """Reads one file from its start, and no more of it than :data:`MAX_HEADER`."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.at, self.strings = file, 0, 0
        self.alignment, self.architecture = ALIGNMENT, ""

    def read_header(self) -> GgufHeader:
        self._skip(len(MAGIC))
        version = self._number("<I")
        if version not in VERSIONS:
            raise ValueError(f"it is of version {version}; known are 2 and 3")
        tensors, pairs = self._count(MOST_TENSORS, "tensors"), self._count(MOST_PAIRS, "values")
        for _ in range(pairs):
            self._read_pair()
        shapes, ends = dict[str, tuple[int, ...]](), [0]
        for _ in range(tensors):
            name, shape, end = self._read_tensor()
            if name in shapes:
                raise ValueError("a tensor stands in it twice")
            shapes[name] = shape
            ends.append(end)
        start = -(-self.at // self.alignment) * self.alignment
        return GgufHeader(self.architecture, shapes, start + max(ends) if tensors else self.at)

    def _read_pair(self) -> None:
        key, kind = self._string(), self._number("<I")
        if key == "general.architecture" and kind == STRING:
            self.architecture = self._string()
        elif key == "general.alignment" and kind in INTEGERS:
            self.alignment = self._number(INTEGERS[kind])
            if not 1 <= self.alignment <= 1 << 20:
                raise ValueError("its alignment is none")
        else:
            self._skip_value(kind, DEEPEST)

    def _read_tensor(self) -> tuple[str, tuple[int, ...], int]:
        """Name, shape, and where it ends among the tensors, in bytes."""
        name, dimensions = self._string(), self._number("<I")
        if dimensions > MOST_DIMENSIONS:
            raise ValueError(f"a tensor has {dimensions} dimensions")
        shape = tuple(self._number("<Q") for _ in range(dimensions))
        kind, offset = self._number("<I"), self._number("<Q")
        numbers, block = BLOCKS.get(kind, (1, 0))
        return name, shape[::-1], offset + math.prod(shape) // numbers * block

    def _skip_value(self, kind: int, depth: int) -> None:
        if kind in SIZES:
            self._skip(SIZES[kind])
        elif kind == STRING:
            self._skip(self._length())
        elif kind == ARRAY and depth:
            inner, count = self._number("<I"), self._number("<Q")
            if inner in SIZES:
                self._skip(SIZES[inner] * count)
                return
            self.strings += count
            if self.strings > MOST_STRINGS:
                raise ValueError(f"its lists hold more than {MOST_STRINGS:,} texts")
            for _ in range(count):
                self._skip_value(inner, depth - 1)
        else:
            raise ValueError(f"a value is of the unknown type {kind}")

    def _count(self, most: int, what: str) -> int:
        count = self._number("<Q")
        if count > most:
            raise ValueError(f"it tells of {count:,} {what}")
        return count

    def _string(self) -> str:
        return self._take(self._length()).decode()

    def _length(self) -> int:
        length = self._number("<Q")
        if length > LONGEST_STRING:
            raise ValueError(f"a text in it has {length:,} bytes")
        return length

    def _number(self, form: str) -> int:
        (value,) = struct.unpack(form, self._take(struct.calcsize(form)))
        return int(value)

    def _take(self, count: int) -> bytes:
        self._check(count)
        content = self.file.read(count)
        if len(content) != count:
            raise ValueError("it ends before its header does")
        self.at += count
        return content

    def _skip(self, count: int) -> None:
        self._check(count)
        self.file.seek(count, 1)
        self.at += count

    def _check(self, count: int) -> None:
        if self.at + count > MAX_HEADER:
            raise ValueError(f"it is longer than {MAX_HEADER:,} bytes")
