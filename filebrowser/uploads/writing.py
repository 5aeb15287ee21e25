"""Bytes from a source to the disk: in order, bounded in memory, durable at known points."""

import ctypes
import os
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from queue import Queue
from typing import Protocol, Self

from filebrowser.errors import TooBig

KIB, MIB = 1 << 10, 1 << 20
LEAST_READ, FIRST_READ, MOST_READ = 4 * KIB, 64 * KIB, 1 * MIB
QUICK, SLOW = 0.1, 0.5  # seconds of one read: ask for more, ask for less
PUSH_EVERY = 8 * MIB  # the disk is set to work after so many bytes
SYNC_EVERY = 128 * MIB  # and waited for after so many
AHEAD = 8  # blocks in memory that wait for the disk
WORTH_A_THREAD = 4 * MIB
WRITE_BEHIND = 2  # sync_file_range(2): start writing, wait for nothing


class Source(Protocol):
    """Where bytes come from. At the end, or when the connection breaks, it gives b""."""

    def __call__(self, most: int, /) -> bytes: ...


class Digest(Protocol):
    """What hashlib makes."""

    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...

    def copy(self) -> "Digest": ...


@dataclass(slots=True)
class Writer:
    """Appends to an open file. ``on_sync`` hears of every offset that is safe on the disk."""

    data: int
    offset: int
    on_sync: Callable[[int], None]
    durable: int = 0
    pushed: int = 0
    digests: tuple[Digest, ...] = ()

    def write(self, block: bytes) -> None:
        """Append ``block``. Raises ``OSError``; what was written before it counts."""
        rest = memoryview(block)
        while rest:
            written = os.pwrite(self.data, rest, self.offset)
            for digest in self.digests:
                digest.update(rest[:written])  # type: ignore[arg-type]
            self.offset += written
            rest = rest[written:]
        if self.offset - self.pushed >= PUSH_EVERY:
            push(self.data, self.pushed, self.offset)
            self.pushed = self.offset
        if self.offset - self.durable >= SYNC_EVERY:
            self.sync()

    def sync(self) -> None:
        """Wait until everything is on the disk."""
        if self.durable == self.offset:
            return
        os.fdatasync(self.data)
        # A checkpoint that comes in must not drive out of memory the one that is drawn with.
        os.posix_fadvise(
            self.data, self.durable, self.offset - self.durable, os.POSIX_FADV_DONTNEED
        )
        self.durable = self.pushed = self.offset
        self.on_sync(self.offset)


def push(data: int, start: int, end: int) -> None:
    """Let the disk begin with these bytes, so that the next wait for it is short."""
    call = ctypes.CDLL(None, use_errno=True).sync_file_range
    call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    call(data, start, end - start, WRITE_BEHIND)  # a hint: where it fails, the sync does the work


@dataclass(slots=True)
class Pace:
    """How much to ask for at once: much of a fast source, little of a slow one.

    What a server has taken from a socket and not handed over is lost when the connection breaks;
    so no read lasts long.
    """

    size: int = FIRST_READ
    clock: Callable[[], float] = field(default=time.monotonic)

    def read(self, source: Source, most: int) -> bytes:
        """The next block, of at most ``most`` bytes; b"" at the end."""
        begun = self.clock()
        block = source(min(self.size, most))
        took = self.clock() - begun
        if took > SLOW:
            self.size = max(LEAST_READ, self.size // 2)
        elif took < QUICK:
            self.size = min(MOST_READ, self.size * 2)
        return block


def pour(source: Source, writer: Writer, most: int, still: Callable[[], None]) -> None:
    """Write what ``source`` gives, until it ends.

    ``still`` is called after each block and raises when it is time to stop. Raises :class:`TooBig`
    when more than ``most`` bytes come; nothing beyond them is written.
    """
    pace, left = Pace(), most
    with Behind(writer) if most > WORTH_A_THREAD else nullcontext(writer) as pen:
        while left:
            block = pace.read(source, left)
            if not block:
                return
            pen.write(block)
            left -= len(block)
            still()
        if source(1):
            raise TooBig("More bytes came than were announced; none of this piece is kept.")


class Behind:
    """Writes in a thread of its own: the next block comes while the last one goes to the disk.

    Whatever ends the context, all blocks that came are written before it is left.
    """

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.blocks: Queue[bytes] = Queue(AHEAD)  # b"" is the end
        self.error: Exception | None = None
        self.thread = threading.Thread(target=self._run, name="upload-writer", daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.blocks.put(b"")
        self.thread.join()
        if self.error and kind is None:
            raise self.error

    def write(self, block: bytes) -> None:
        """Hand a block over. Raises what the writing of an earlier one raised."""
        if self.error:
            raise self.error
        self.blocks.put(block)

    def _run(self) -> None:
        for block in iter(self.blocks.get, b""):
            if self.error:
                continue  # they are taken, so that nobody waits for room
            try:
                self.writer.write(block)
            except Exception as error:  # whatever it is, it is raised where blocks come from
                self.error = error
