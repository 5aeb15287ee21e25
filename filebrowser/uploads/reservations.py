"""Reservations of disk space and quota for uploads, jobs and WebDAV."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from filebrowser.errors import NoRoom
from filebrowser.gate import Root
from filebrowser.uploads.records import Upload
from filebrowser.uploads.space import MIB, Limits

if TYPE_CHECKING:
    from filebrowser.uploads.books import Book

STEP = 2 * MIB
"""Bytes that are reserved at a time where nobody knows how many will come."""


class Room(Protocol):
    """Where bytes are counted before they are written."""

    def take(self, count: int, /) -> None:
        """Count ``count`` bytes that are about to be written. Raises ``NoRoom``."""

    def offer(self, count: int, /) -> int:
        """How many of ``count`` bytes have room now, and keep it for them."""


Reserve = Callable[[Root, int], AbstractContextManager[Room]]
"""Room for so many bytes below a root, and for more as they are taken. Raises ``NoRoom``."""


class Unlimited:
    """Room without an end, for those who count nothing."""

    def take(self, count: int, /) -> None:
        """Nothing."""

    def offer(self, count: int, /) -> int:
        """All of them."""
        return count


def reserve_nothing(root: Root, size: int) -> AbstractContextManager[Room]:
    """A :data:`Reserve` without limits."""
    return nullcontext(Unlimited())


@dataclass(slots=True, eq=False)
class Reservation:
    """A :class:`Room` below one root; ``ahead`` bytes are promised to it and not yet taken.

    Those of an ``upload`` are staged, and counted there once they are written: on their way to the
    disk, ``until`` the size that the upload will have, they are still counted here.
    """

    book: "Book"
    limits: Limits
    upload: Upload | None = None
    ahead: int = 0
    until: int = 0

    @property
    def promised(self) -> int:
        """Bytes that count for this reservation, and nowhere else yet."""
        if self.upload is None:
            return self.ahead
        return self.ahead + max(0, self.until - self.book.size(self.upload))

    def reserve(self, size: int) -> None:
        """Have room for ``size`` bytes more. Raises ``NoRoom``."""
        with self.book.lock:
            self._reserve(size)

    def take(self, count: int, /) -> None:
        """Count ``count`` bytes that are about to be written. Raises ``NoRoom``."""
        with self.book.lock:
            missing = count - self.ahead
            if missing > 0:
                try:
                    self._reserve(max(missing, STEP))
                except NoRoom:
                    self._reserve(missing)
            self.ahead -= count
            if self.upload is None:
                self.book.grew(count)
            else:
                self.until += count

    def offer(self, count: int, /) -> int:
        """How many of ``count`` bytes have room now, and keep it for them."""
        with self.book.lock:
            if self.ahead < count:
                left = self.book.left(self.limits)
                self.ahead += min(left, max(count - self.ahead, STEP))
            return min(self.ahead, count)

    def _reserve(self, size: int) -> None:
        self.book.check_free(size, self.limits)
        self.ahead += size
