"""Brings a model file from the disk into the kernel's page cache before it is loaded. No torch."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from generator.models.index import ModelFile

BLOCK_BYTES = 8 << 20  # asked of the disk at a time
PAUSE_SECONDS = 0.005  # after each: at most 1.6 GB/s, and the running job's reads come between


def read_ahead(
    file: ModelFile,
    headroom: Callable[[], int],
    is_cancelled: Callable[[], bool],
    pause: Callable[[float], None] = time.sleep,
) -> bool:
    """Let the kernel read ``file``; whether all of it was asked for.

    It is not where the file takes more than ``headroom`` bytes of memory, and ends early when
    ``is_cancelled`` says so, asked before each block. Nothing is copied or computed here. Raises
    OSError.
    """
    if file.size > headroom():
        return False
    return all(_read_one(path, is_cancelled, pause) for path in file.weight_files)


def _read_one(path: Path, is_cancelled: Callable[[], bool], pause: Callable[[float], None]) -> bool:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        for start in range(0, os.fstat(descriptor).st_size, BLOCK_BYTES):
            if is_cancelled():
                return False
            os.posix_fadvise(descriptor, start, BLOCK_BYTES, os.POSIX_FADV_WILLNEED)
            pause(PAUSE_SECONDS)
    finally:
        os.close(descriptor)
    return True
