"""Shared memory in which a worker reports to its supervisor that its main thread makes progress.

A few bytes that both processes map, for it must work when nothing else does: when the queue's
disk is full, and when C code holds the GIL so that no thread of the worker runs.
"""

import mmap
import os
import struct
import tempfile
from collections.abc import Mapping

from webapp.process_tree import PROGRESS_FD_VARIABLE

LAYOUT = struct.Struct("<Qd")  # how often it got on; seconds that it may now go without
NO_LIMIT = float("inf")


class ProgressMark:
    """A beat count and an allowance in shared memory. Written by one process, read by the other."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, LAYOUT.size)

    @classmethod
    def create(cls) -> "ProgressMark":
        """New bytes; ``descriptor`` is to be handed to the worker."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("easel-progress")
        else:
            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, LAYOUT.size)
        return cls(descriptor)

    def beat(self, allowed: float) -> None:
        """The main thread got on; it may now go without progress for so many seconds."""
        LAYOUT.pack_into(self._memory, 0, self.read()[0] + 1, allowed)

    def read(self) -> tuple[int, float]:
        """How often it got on, and the seconds that it may go without."""
        beats, allowed = LAYOUT.unpack_from(self._memory)
        return beats, allowed


def inherit_mark(environ: Mapping[str, str] = os.environ) -> ProgressMark | None:
    """The progress mark that the supervisor passed to this process, or None."""
    descriptor = environ.get(PROGRESS_FD_VARIABLE)
    if descriptor is None:
        return None
    os.set_inheritable(int(descriptor), False)  # not for what a plugin starts
    return ProgressMark(int(descriptor))
