"""Reads a zip entry by entry; a damaged entry does not fail the archive.

The list of files at the end is read within bounds; an entry's bytes come a piece at a time and are
compared with its size and checksum. Source: APPNOTE.TXT 6.3.10.
"""

import os
import struct
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from filebrowser.errors import BadArchive, TooMuch
from filebrowser.zip_names import decode_name, guess_encoding, unicode_name
from filebrowser.zip_times import extra_fields, read_time

CHUNK_BYTES = 1024 * 1024  # bytes unpacked at once
READ_BYTES = 256 * 1024  # packed bytes read at once
STORED, DEFLATED = 0, 8
LOCKED_FLAG, PATCHED_FLAG, STRONGLY_LOCKED_FLAG, UTF8 = 0x1, 0x20, 0x40, 0x800
END, ZIP64_END, LOCATOR = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
ENTRY_SIGNATURE, HEADER_SIGNATURE = b"PK\x01\x02", b"PK\x03\x04"
TAIL_BYTES = 65_557 + 20 + 56  # bytes from the end: the longest comment, and zip64's records
ZIP64_NUMBER = 0xFFFFFFFF  # a number that zip64's field tells
ZIP64_FIELD = 0x0001
ENTRY = struct.Struct("<4s6H3L5H2L")
NAME_LENGTHS = struct.Struct("<HH")  # from byte 26 of a header on


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """What the list of files says of one of them. Sizes and ``offset`` in bytes."""

    name: str
    flags: int
    method: int
    checksum: int  # CRC-32
    packed: int
    size: int
    offset: int
    mode: int  # of stat(2), where its packer knew one
    modified: int | None  # nanoseconds since 1970; None where no time is told that a file can have

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.name.endswith("/")

    @property
    def is_locked(self) -> bool:
        """Whether a password is needed."""
        return bool(self.flags & (LOCKED_FLAG | STRONGLY_LOCKED_FLAG))

    @property
    def is_readable(self) -> bool:
        """Whether it is packed in a way that is read here: of others much is unpacked at once."""
        return self.method in (STORED, DEFLATED) and not self.flags & PATCHED_FLAG


class DamagedEntry(BadArchive):
    """One entry is not what the list of files says of it."""


def read_entries(file: int, most: int, longest: int) -> tuple[ZipEntry, ...]:
    """The entries of an open zip. Raises :class:`BadArchive` for what is none.

    :class:`TooMuch` where it lists more than ``most``, or its list has more than
    ``longest`` bytes; nothing of it is read then.
    """
    start, length = _find_list(file, most, longest)
    data = os.pread(file, length, start)
    if len(data) < length:
        raise BadArchive("The archive cannot be read: its list of files is cut off.")
    raw = list(_split_list(data))
    if len(raw) > most:
        raise TooMuch(f"More than {most} files in one archive.")
    shift = 0 if not raw else _offset_shift(file, start, length)
    encoding = guess_encoding([each.name for each in raw if not each.is_unicode])
    return tuple(each.to_entry(encoding, shift) for each in raw)


def _find_list(file: int, most: int, longest: int) -> tuple[int, int]:
    """Where the list of files begins, and its length in bytes."""
    size = os.fstat(file).st_size
    before = max(0, size - TAIL_BYTES)
    tail = os.pread(file, TAIL_BYTES, before)
    at = _find_end(tail)
    if at < 0 or len(tail) < at + 22:
        raise BadArchive("This is no zip file.")
    count, length = struct.unpack_from("<HL", tail, at + 10)
    wide = tail.rfind(ZIP64_END, 0, at) if tail[max(0, at - 20) : at].startswith(LOCATOR) else -1
    if wide >= 0:
        at = wide
        count, length = struct.unpack_from("<QQ", tail, wide + 32)
    if count > most or length > longest:
        raise TooMuch(f"The archive lists {count} files; at most {most} are taken.")
    start = before + at - length
    if start < 0:
        raise BadArchive("The archive cannot be read: its end is damaged.")
    return start, length


def _find_end(tail: bytes) -> int:
    """Where the last record is: the one whose comment ends with the file, else the last."""
    at = last = tail.rfind(END)
    while at >= 0:
        if len(tail) >= at + 22 and at + 22 + tail[at + 20] + tail[at + 21] * 256 == len(tail):
            return at
        at = tail.rfind(END, 0, at)
    return last


def _offset_shift(file: int, start: int, length: int) -> int:
    """By how many bytes all offsets are too small: what a program puts before a zip."""
    tail = os.pread(file, 56, start + length)
    said = struct.unpack_from("<Q", tail, 48) if tail[:4] == ZIP64_END else None
    return int(start - (said or struct.unpack_from("<L", tail, 16))[0])


@dataclass(frozen=True, slots=True)
class _RawEntry:
    """An entry before its name is understood."""

    name: bytes
    extra: bytes
    fields: tuple[int, ...]

    @property
    def is_unicode(self) -> bool:
        """Whether the name says that it is UTF-8, and is."""
        return self.unicode_name_or_none is not None

    @property
    def unicode_name_or_none(self) -> str | None:
        """The name where nothing has to be guessed."""
        if self.fields[2] & UTF8:
            try:
                return self.name.decode()
            except UnicodeDecodeError:
                return None
        return unicode_name(self.name, self.extra)

    def to_entry(self, encoding: str, shift: int) -> ZipEntry:
        """The entry, its name read in this encoding where it does not say its own."""
        _, _, flags, method, clock, date, checksum, packed, size = self.fields[:9]
        mode, offset = self.fields[-2] >> 16, self.fields[-1]
        size, packed, offset = self._zip64_numbers(size, packed, offset)
        moment = (
            *((date >> 9) + 1980, date >> 5 & 0xF, date & 0x1F),
            *(clock >> 11, clock >> 5 & 0x3F, (clock & 0x1F) * 2),
        )
        return ZipEntry(
            self.unicode_name_or_none or decode_name(self.name, encoding),
            *(flags, method, checksum, packed, size, offset + shift, mode),
            read_time(moment, self.extra),
        )

    def _zip64_numbers(self, *numbers: int) -> tuple[int, ...]:
        """The numbers, those that do not fit from zip64's field, which holds them in this order."""
        field_bytes = dict(extra_fields(self.extra)).get(ZIP64_FIELD, b"")
        wide = iter(
            struct.unpack(f"<{len(field_bytes) // 8}Q", field_bytes[: len(field_bytes) // 8 * 8])
        )
        return tuple(next(wide, number) if number == ZIP64_NUMBER else number for number in numbers)


def _split_list(data: bytes) -> Iterator[_RawEntry]:
    at = 0
    while at < len(data):
        if len(data) < at + ENTRY.size or data[at : at + 4] != ENTRY_SIGNATURE:
            raise BadArchive("The archive cannot be read: its list of files is damaged.")
        numbers = ENTRY.unpack_from(data, at)[1:]
        name, extra, comment = numbers[9:12]
        at += ENTRY.size
        yield _RawEntry(data[at : at + name], data[at + name : at + name + extra], numbers)
        at += name + extra + comment


def read_content(file: int, entry: ZipEntry) -> Generator[bytes, None, None]:
    """The bytes of an entry. Raises :class:`DamagedEntry`, at the latest behind the last of
    them.
    """
    checksum = size = 0
    for piece in _inflate(file, entry):
        size += len(piece)
        if size > entry.size:
            raise DamagedEntry("it holds more than the archive says")
        checksum = zlib.crc32(piece, checksum)
        yield piece
    if size != entry.size:
        raise DamagedEntry("it ends too early")
    if checksum != entry.checksum:
        raise DamagedEntry("its checksum is another one")


def _inflate(file: int, entry: ZipEntry) -> Iterator[bytes]:
    packed = _read_packed(file, entry)
    if entry.method == STORED:
        yield from packed
        return
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        while not inflate.eof:
            data = inflate.unconsumed_tail or next(packed, b"")
            piece = inflate.decompress(data, CHUNK_BYTES)
            if not data and not piece:
                return
            yield piece
    except zlib.error:
        raise DamagedEntry("it cannot be unpacked") from None


def _read_packed(file: int, entry: ZipEntry) -> Iterator[bytes]:
    header = os.pread(file, 30, max(0, entry.offset))
    if entry.offset < 0 or len(header) < 30 or header[:4] != HEADER_SIGNATURE:
        raise DamagedEntry("it is not where the archive says")
    at = entry.offset + 30 + sum(NAME_LENGTHS.unpack_from(header, 26))
    end = at + entry.packed
    while at < end:
        data = os.pread(file, min(READ_BYTES, end - at), at)
        if not data:
            return
        at += len(data)
        yield data
