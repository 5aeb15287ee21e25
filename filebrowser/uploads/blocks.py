"""Aligned memory blocks for uploads, and writing them with O_DIRECT."""

import errno
import fcntl
import mmap
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

KIB, MIB = 1 << 10, 1 << 20
ALIGNMENT = 4 * KIB  # bytes; disks take from memory what lies at such borders in memory and file
MAX_BLOCK_BYTES = 2 * MIB  # bytes of one block: a huge page
MIN_DIRECT_BYTES = 256 * KIB  # bytes; smaller ones are gathered by the system's cache
NO_DIRECT_ERRNOS = frozenset({errno.EINVAL, errno.EOPNOTSUPP})


class Source(Protocol):
    """Where bytes come from. Fills ``room`` with what is there, or comes within a moment.

    Answers how many bytes it was; 0 at the end, and when the connection broke.
    """

    def __call__(self, room: memoryview, /) -> int: ...


@dataclass(slots=True)
class MemoryBlock:
    """Some memory; the bytes between ``start`` and ``end`` count."""

    memory: memoryview
    start: int = 0
    end: int = 0

    @property
    def content(self) -> memoryview:
        """The bytes that came."""
        return self.memory[self.start : self.end]

    def fill(self, source: Source, offset: int, most: int) -> int:
        """Take at most ``most`` bytes, which belong at ``offset`` of a file; how many came.

        They lie as far from a border of ``ALIGNMENT`` in memory as in the file.
        """
        self.start = offset % ALIGNMENT
        self.end = self.start + source(self.memory[self.start :][:most])
        return self.end - self.start


def allocate_block(size: int) -> MemoryBlock:
    """Room for some of ``size`` bytes. It takes no memory until it is filled.

    The largest are one page of the processor's, where the system has such: they come in one step,
    and the disk takes them in one.
    """
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    memory = mmap.mmap(-1, min(size + ALIGNMENT, MAX_BLOCK_BYTES), flags=flags)
    if len(memory) == MAX_BLOCK_BYTES:
        with suppress(OSError):
            memory.madvise(mmap.MADV_HUGEPAGE)
    return MemoryBlock(memoryview(memory))


@dataclass(slots=True)
class DirectWriter:
    """Writes to an open file, with O_DIRECT where the file system supports it.

    What comes in by gigabytes is not read again soon; a copy of it in the cache costs as much time
    as the disk itself (measured: 5 s of 2 cores for 2 GiB), and drives out what is needed.
    """

    data: int
    supports_direct: bool = True
    direct: bool = False

    def write(self, rest: memoryview, offset: int) -> int:
        """Write some of ``rest``, which comes from a :class:`MemoryBlock`; how many bytes."""
        aligned = len(rest) // ALIGNMENT * ALIGNMENT
        if self.supports_direct and aligned >= MIN_DIRECT_BYTES:
            if offset % ALIGNMENT:
                rest = rest[: ALIGNMENT - offset % ALIGNMENT]
            else:
                try:
                    self._set_direct(direct=True)
                    return os.pwrite(self.data, rest[:aligned], offset)
                except OSError as error:
                    if error.errno not in NO_DIRECT_ERRNOS:
                        raise
                    self.supports_direct = False
        self._set_direct(direct=False)
        return os.pwrite(self.data, rest, offset)

    def _set_direct(self, direct: bool) -> None:
        if direct != self.direct:
            flags = fcntl.fcntl(self.data, fcntl.F_GETFL)
            changed = flags | os.O_DIRECT if direct else flags & ~os.O_DIRECT
            fcntl.fcntl(self.data, fcntl.F_SETFL, changed)
            self.direct = direct
