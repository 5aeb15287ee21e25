"""Writes a byte source to disk: in order, with bounded memory and regular fdatasync."""

import ctypes
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import LifoQueue, Queue
from typing import Protocol, Self

from filebrowser.errors import TooBig
from filebrowser.uploads.blocks import MIB, Block, Road, Source, block

PUSH_EVERY = 8 * MIB  # the disk is set to work after so many bytes in the system's cache
SYNC_EVERY = 256 * MIB  # and waited for after so many
BLOCKS = 4  # of one upload: one is filled while others are written and summed up
WORTH_THREADS = 4 * MIB
WRITE_BEHIND = 2  # sync_file_range(2): start writing, wait for nothing


class Digest(Protocol):
    """What hashlib makes."""

    def update(self, data: memoryview, /) -> None: ...

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
    road: Road = field(init=False)

    def __post_init__(self) -> None:
        self.road = Road(self.data)

    def write(self, content: memoryview) -> None:
        """Append a block's content. Raises ``OSError``; what was written before it counts."""
        while content:
            written = self.road.write(content, self.offset)
            self.offset += written
            content = content[written:]
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


def pour(
    source: Source,
    writer: Writer,
    most: int,
    still: Callable[[], None],
    digests: Sequence[Digest] = (),
) -> None:
    """Write what ``source`` gives, until it ends; ``digests`` see it too.

    ``still`` is called after each block and raises when it is time to stop. Raises :class:`TooBig`
    when more than ``most`` bytes come; nothing beyond them is written. All that came is written
    when this returns, or raises.
    """
    works = [writer.write, *(digest.update for digest in digests)]
    at, left = writer.offset, most
    with Lanes(works, most) if most > WORTH_THREADS else OneByOne(works, most) as desk:
        while left:
            taken = desk.room()
            count = taken.fill(source, at, left)
            if not count:
                return
            desk.pass_on(taken)
            at, left = at + count, left - count
            still()
        if source(memoryview(bytearray(1))):
            raise TooBig("More bytes came than were announced; none of this piece is kept.")


Work = Callable[[memoryview], None]


class OneByOne:
    """Does all works on a block before the next one comes."""

    def __init__(self, works: Sequence[Work], most: int) -> None:
        self.works = works
        self.block = block(most)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def room(self) -> Block:
        """A block to be filled."""
        return self.block

    def pass_on(self, filled: Block) -> None:
        """Do the works."""
        for work in self.works:
            work(filled.content)


class Lanes:
    """A pipeline: each consumer (write, digests) has its own thread, in order, on shared blocks.

    Whatever ends the context, all works are done on all blocks before it is left.
    """

    def __init__(self, works: Sequence[Work], most: int) -> None:
        self.most = most
        self.made = 0
        # The last one first: a slow source fills the same one again, and takes no more memory.
        self.idle: LifoQueue[Block | None] = LifoQueue()
        self.lanes: list[Lane] = []
        after: Queue[Block | None] = self.idle
        for work in reversed(works):
            self.lanes.insert(0, Lane(work, after))
            after = self.lanes[0].blocks

    def __enter__(self) -> Self:
        for lane in self.lanes:
            lane.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.lanes[0].blocks.put(None)
        for lane in self.lanes:
            lane.join()
        if kind is None:
            self._raise()

    def room(self) -> Block:
        """A block to be filled. Raises what a work on an earlier one raised."""
        self._raise()
        if self.made < BLOCKS and self.idle.empty():
            self.made += 1
            return block(self.most)
        found = self.idle.get()
        self._raise()
        return found or block(self.most)

    def pass_on(self, filled: Block) -> None:
        """Hand a block to the first lane."""
        self.lanes[0].blocks.put(filled)

    def _raise(self) -> None:
        for lane in self.lanes:
            if lane.error is not None:
                raise lane.error


class Lane(threading.Thread):
    """One work on block after block, until ``None`` comes; all are handed on to ``after``.

    After an error nothing is done any more.
    """

    def __init__(self, work: Work, after: "Queue[Block | None]") -> None:
        super().__init__(name="upload-lane", daemon=True)
        self.work, self.after = work, after
        self.blocks: Queue[Block | None] = Queue()
        self.error: Exception | None = None

    def run(self) -> None:
        """Do the work."""
        for filled in iter(self.blocks.get, None):
            try:
                if self.error is None:
                    self.work(filled.content)
            except Exception as error:  # whatever it is, it is raised where blocks come from
                self.error = error
            finally:
                self.after.put(filled)
        self.after.put(None)
