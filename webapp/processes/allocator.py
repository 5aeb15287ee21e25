"""Returns memory of large pictures and bodies to the system."""

import ctypes
from contextlib import suppress

MMAP_THRESHOLD = -3  # mallopt(3)
LARGE = 1 << 20  # bytes of a piece that is mapped by itself


def return_large_pieces() -> None:
    """Have large pieces of memory unmapped when they are freed.

    glibc raises its threshold with each large piece that is freed, to 32 MiB, and keeps what is
    smaller in the heap of the thread: after ten large pictures 600 MB stayed with an idle process.
    """
    with suppress(OSError, AttributeError):  # another C library may have none
        ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, LARGE)
