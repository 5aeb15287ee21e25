"""Writes a byte source to disk: in order, with bounded memory and regular fdatasync."""

import ctypes
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import LifoQueue, Queue
from typing import Protocol, Self

from filebrowser.errors import TooBig
from filebrowser.uploads.blocks import MIB, DirectWriter, MemoryBlock, Source, allocate_block

WRITEBACK_EVERY = 8 * MIB  # the disk is set to work after so many bytes in the system's cache
SYNC_EVERY = 256 * MIB  # and waited for after so many
MAX_BLOCKS = 4  # of one upload: one is filled while others are written and summed up
MIN_THREADED_BYTES = 4 * MIB
WRITE_BEHIND = 2  # sync_file_range(2): start writing, wait for nothing


class Digest(Protocol):
    """What hashlib makes."""

    def update(self, data: memoryview, /) -> None: ...

    def digest(self) -> bytes: ...

    def copy(self) -> "Digest": ...


@dataclass(slots=True)
class UploadWriter:
    """Appends to an open file. ``on_sync`` hears of every offset that is safe on the disk."""

    data: int
    offset: int
    on_sync: Callable[[int], None]
    durable: int = 0
    pushed: int = 0
    direct_writer: DirectWriter = field(init=False)

    def __post_init__(self) -> None:
        self.direct_writer = DirectWriter(self.data)

    def write(self, content: memoryview) -> None:
        """Append a block's content. Raises ``OSError``; what was written before it counts."""
        while content:
            written = self.direct_writer.write(content, self.offset)
            self.offset += written
            content = content[written:]
        if self.offset - self.pushed >= WRITEBACK_EVERY:
            start_writeback(self.data, self.pushed, self.offset)
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


def start_writeback(data: int, start: int, end: int) -> None:
    """Let the disk begin with these bytes, so that the next wait for it is short."""
    call = ctypes.CDLL(None, use_errno=True).sync_file_range
    call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    call(data, start, end - start, WRITE_BEHIND)  # a hint: where it fails, the sync does the work


def write_source(
    source: Source,
    writer: UploadWriter,
    most: int,
    check_continue: Callable[[], None],
    digests: Sequence[Digest] = (),
) -> None:
    """Write what ``source`` gives, until it ends; ``digests`` see it too.

    ``still`` is called after each block and raises when it is time to stop. Raises :class:`TooBig`
    when more than ``most`` bytes come; nothing beyond them is written. All that came is written
    when this returns, or raises.
    """
    works = [writer.write, *(digest.update for digest in digests)]
    at, left = writer.offset, most
    with (
        WritePipeline(works, most)
        if most > MIN_THREADED_BYTES
        else InlinePipeline(works, most) as pipeline
    ):
        while left:
            filled = pipeline.next_block()
            count = filled.fill(source, at, left)
            if not count:
                return
            pipeline.submit(filled)
            at, left = at + count, left - count
            check_continue()
        if source(memoryview(bytearray(1))):
            raise TooBig("More bytes came than were announced; none of this piece is kept.")


BlockConsumer = Callable[[memoryview], None]


class InlinePipeline:
    """Does all works on a block before the next one comes."""

    def __init__(self, works: Sequence[BlockConsumer], most: int) -> None:
        self.consumers = works
        self.block = allocate_block(most)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def next_block(self) -> MemoryBlock:
        """A block to be filled."""
        return self.block

    def submit(self, filled: MemoryBlock) -> None:
        """Do the works."""
        for work in self.consumers:
            work(filled.content)


class WritePipeline:
    """A pipeline: each consumer (write, digests) has its own thread, in order, on shared blocks.

    Whatever ends the context, all works are done on all blocks before it is left.
    """

    def __init__(self, works: Sequence[BlockConsumer], most: int) -> None:
        self.most = most
        self.block_count = 0
        # The last one first: a slow source fills the same one again, and takes no more memory.
        self.idle: LifoQueue[MemoryBlock | None] = LifoQueue()
        self.threads: list[PipelineThread] = []
        after: Queue[MemoryBlock | None] = self.idle
        for work in reversed(works):
            self.threads.insert(0, PipelineThread(work, after))
            after = self.threads[0].blocks

    def __enter__(self) -> Self:
        for lane in self.threads:
            lane.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.threads[0].blocks.put(None)
        for lane in self.threads:
            lane.join()
        if kind is None:
            self._raise_error()

    def next_block(self) -> MemoryBlock:
        """A block to be filled. Raises what a work on an earlier one raised."""
        self._raise_error()
        if self.block_count < MAX_BLOCKS and self.idle.empty():
            self.block_count += 1
            return allocate_block(self.most)
        idle_block = self.idle.get()
        self._raise_error()
        return idle_block or allocate_block(self.most)

    def submit(self, filled: MemoryBlock) -> None:
        """Hand a block to the first lane."""
        self.threads[0].blocks.put(filled)

    def _raise_error(self) -> None:
        for lane in self.threads:
            if lane.error is not None:
                raise lane.error


class PipelineThread(threading.Thread):
    """One work on block after block, until ``None`` comes; all are handed on to ``after``.

    After an error nothing is done any more.
    """

    def __init__(self, context: BlockConsumer, after: "Queue[MemoryBlock | None]") -> None:
        super().__init__(name="upload-lane", daemon=True)
        self.work, self.after = context, after
        self.blocks: Queue[MemoryBlock | None] = Queue()
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
