"""Reads from a blocking ``read`` in blocks whose size adapts to its speed."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from filebrowser.uploads.blocks import KIB, MIB

LEAST_READ, FIRST_READ, MOST_READ = 4 * KIB, 64 * KIB, 1 * MIB
QUICK_SECONDS, SLOW_SECONDS = 0.1, 0.5  # seconds of one read: ask for more, ask for less


@dataclass(slots=True)
class BlockReader:
    """A :class:`filebrowser.uploads.blocks.Source`: asks much of what is fast, little of the slow.

    So that no read lasts long: what was taken from a connection and not handed over is lost when
    this process dies.
    """

    read: Callable[[int], bytes]
    size: int = FIRST_READ
    clock: Callable[[], float] = field(default=time.monotonic)

    def __call__(self, room: memoryview, /) -> int:
        """How many bytes came; 0 at the end."""
        started = self.clock()
        block = self.read(min(self.size, len(room)))
        seconds = self.clock() - started
        if seconds > SLOW_SECONDS:
            self.size = max(LEAST_READ, self.size // 2)
        elif seconds < QUICK_SECONDS:
            self.size = min(MOST_READ, self.size * 2)
        room[: len(block)] = block
        return len(block)
