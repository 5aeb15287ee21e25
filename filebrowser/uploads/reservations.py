"""Reservations of disk space and quota for uploads, jobs and WebDAV."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from filebrowser.access.gate import Root
from filebrowser.errors import NoRoom
from filebrowser.uploads.blocks import MIB
from filebrowser.uploads.records import Upload
from filebrowser.uploads.space import UploadLimits

if TYPE_CHECKING:
    from filebrowser.uploads.upload_index import UploadIndex

RESERVE_STEP = 2 * MIB
"""Bytes that are reserved at a time where nobody knows how many will come."""


class SpaceCounter(Protocol):
    """Where bytes are counted before they are written."""

    def take(self, count: int, /) -> None:
        """Count ``count`` bytes that are about to be written. Raises ``NoRoom``."""

    def offer(self, count: int, /) -> int:
        """How many of ``count`` bytes have room now, and keep it for them."""


ReserveSpace = Callable[[Root, int], AbstractContextManager[SpaceCounter]]
"""Room for so many bytes below a root, and for more as they are taken. Raises ``NoRoom``."""


class UnlimitedSpace:
    """Room without an end, for those who count nothing."""

    def take(self, count: int, /) -> None:
        """Nothing."""

    def offer(self, count: int, /) -> int:
        """All of them."""
        return count


def reserve_unlimited(root: Root, size: int) -> AbstractContextManager[SpaceCounter]:
    """A :data:`ReserveSpace` without limits."""
    return nullcontext(UnlimitedSpace())


@dataclass(slots=True, eq=False)
class Reservation:
    """A :class:`SpaceCounter` below one root; ``ahead`` bytes are promised to it and not yet taken.

    Those of an ``upload`` are staged, and counted there once they are written: on their way to the
    disk, ``until`` the size that the upload will have, they are still counted here.
    """

    index: "UploadIndex"
    limits: UploadLimits
    upload: Upload | None = None
    reserved_bytes: int = 0
    target_size: int = 0

    @property
    def pending_bytes(self) -> int:
        """Bytes that count for this reservation, and nowhere else yet."""
        if self.upload is None:
            return self.reserved_bytes
        return self.reserved_bytes + max(
            0, self.target_size - self.index.bytes_received(self.upload)
        )

    def reserve(self, size: int) -> None:
        """Have room for ``size`` bytes more. Raises ``NoRoom``."""
        with self.index.lock:
            self._reserve(size)

    def take(self, count: int, /) -> None:
        """Count ``count`` bytes that are about to be written. Raises ``NoRoom``."""
        with self.index.lock:
            missing = count - self.reserved_bytes
            if missing > 0:
                try:
                    self._reserve(max(missing, RESERVE_STEP))
                except NoRoom:
                    self._reserve(missing)
            self.reserved_bytes -= count
            if self.upload is None:
                self.index.add_usage(count)
            else:
                self.target_size += count

    def offer(self, count: int, /) -> int:
        """How many of ``count`` bytes have room now, and keep it for them."""
        with self.index.lock:
            if self.reserved_bytes < count:
                left = self.index.bytes_left(self.limits)
                self.reserved_bytes += min(left, max(count - self.reserved_bytes, RESERVE_STEP))
            return min(self.reserved_bytes, count)

    def _reserve(self, size: int) -> None:
        self.index.check_free(size, self.limits)
        self.reserved_bytes += size
