"""Locks of uploads: one sender at a time for each, and limits on concurrent transfers."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from filebrowser.uploads.errors import Busy, TooMany, TooManyInAll

STALE_SECONDS = 2.0  # seconds without a byte after which another one may take over
LOCK_TIMEOUT = 10.0  # seconds to wait for a sender to end
SILENCE_TIMEOUT = 60.0  # seconds without a byte after which a sender is sent away
POLL_SECONDS = 0.1  # seconds between two looks at a sender


@dataclass(slots=True, eq=False)
class UploadLock:
    """One caller's lock on an upload. ``interrupt`` aborts a read that waits for bytes."""

    owner: str
    interrupt: Callable[[], None]
    sending: bool
    touched_at: float = field(default_factory=time.monotonic)

    def touch(self) -> None:
        """Something came."""
        self.touched_at = time.monotonic()

    @property
    def silent_seconds(self) -> float:
        """Seconds since something came."""
        return time.monotonic() - self.touched_at


def no_interrupt() -> None:
    """The interrupt of a turn that waits for no bytes."""


@dataclass(frozen=True, slots=True)
class OtherHolder:
    """Who has a turn in another process."""

    silent_seconds: float  # since something came
    sending: bool


class SharedTurns(Protocol):
    """Turns among processes that work on the same folders. They end with their process.

    Raises what its server raises where that cannot be asked.
    """

    def claim(self, name: str, lock: UploadLock, wanted: bool, /) -> OtherHolder | None:
        """Take a turn; None if that was done. The holder is interrupted if it is ``wanted``."""
        ...

    def leave(self, name: str, lock: UploadLock, /) -> None:
        """Give the turn back. Never fails."""
        ...

    def is_held(self, name: str, /) -> bool:
        """Whether any process has the turn."""
        ...


class UploadLocks:
    """Hands out turns. Thread-safe; without ``shared`` it knows of one process."""

    def __init__(
        self, per_owner: int = 16, in_all: int = 64, shared: SharedTurns | None = None
    ) -> None:
        self.per_owner, self.in_all, self.shared = per_owner, in_all, shared
        self._locks: dict[str, UploadLock] = {}
        self._changed = threading.Condition()

    @contextmanager
    def acquire(
        self,
        upload_id: str,
        owner: str,
        interrupt: Callable[[], None] = no_interrupt,
        sending: bool = False,
        at_once: bool = False,
    ) -> Iterator[UploadLock]:
        """Hold an upload; a holder who has fallen silent, or ``at_once`` any, is sent away.

        Raises :class:`Busy` when bytes keep coming to the other, :class:`TooMany` and
        :class:`TooManyInAll` (for senders) where the limits are reached.
        """
        lock = UploadLock(owner, interrupt, sending)
        with self._changed:
            self._wait_for(upload_id, 0.0 if at_once else STALE_SECONDS)
            if sending:
                self._check_limits(owner)
            lock.touch()
            self._locks[upload_id] = lock
        try:
            if self.shared is None:
                yield lock
            else:
                with self._hold_shared(self.shared, upload_id, lock, at_once):
                    yield lock
        finally:
            with self._changed:
                del self._locks[upload_id]
                self._changed.notify_all()

    def interrupt_silent(self, silence: float = SILENCE_TIMEOUT) -> None:
        """End the reads of senders from whom nothing has come for so many seconds."""
        with self._changed:
            silent = [t for t in self._locks.values() if t.sending and t.silent_seconds > silence]
        for turn in silent:
            turn.interrupt()

    def is_locked(self, upload_id: str) -> bool:
        """Whether somebody is at this upload now."""
        if self.is_own(upload_id):
            return True
        return self.shared is not None and self.shared.is_held(upload_id)

    def is_own(self, upload_id: str) -> bool:
        """Whether somebody is at this upload in this process."""
        with self._changed:
            return upload_id in self._locks

    def count_sending(self) -> int:
        """How many transfers are under way."""
        with self._changed:
            return sum(turn.sending for turn in self._locks.values())

    def _wait_for(self, upload_id: str, stale: float) -> None:
        """Wait for the holder to end; one who has been silent for ``stale`` seconds is sent off."""
        begun, interrupted = time.monotonic(), None
        while (holder := self._locks.get(upload_id)) is not None:
            waited = time.monotonic() - begun
            if holder is not interrupted and holder.silent_seconds >= stale:
                holder.interrupt()
                interrupted = holder
            lively = holder.sending and holder is not interrupted and waited > STALE_SECONDS
            if lively or waited > LOCK_TIMEOUT:
                raise Busy("Bytes are coming to this upload from somewhere else. Try again later.")
            self._changed.wait(POLL_SECONDS)

    @contextmanager
    def _hold_shared(
        self, shared: SharedTurns, upload_id: str, lock: UploadLock, at_once: bool
    ) -> Iterator[None]:
        """As :meth:`_wait_for`, for a holder in another process."""
        stale, begun, wanted = 0.0 if at_once else STALE_SECONDS, time.monotonic(), at_once
        while (holder := shared.claim(upload_id, lock, wanted)) is not None:
            waited = time.monotonic() - begun
            lively = holder.sending and not wanted and waited > STALE_SECONDS
            if lively or waited > LOCK_TIMEOUT:
                raise Busy("Bytes are coming to this upload from somewhere else. Try again later.")
            wanted = wanted or holder.silent_seconds >= stale
            time.sleep(POLL_SECONDS)
        lock.touch()
        try:
            yield
        finally:
            shared.leave(upload_id, lock)

    def _check_limits(self, owner: str) -> None:
        sending = Counter(turn.owner for turn in self._locks.values() if turn.sending)
        if sending[owner] >= self.per_owner:
            raise TooMany(f"{sending[owner]} transfers of yours are under way. Wait for one.")
        if sending.total() >= self.in_all:
            raise TooManyInAll("Too many transfers are under way. Try again in a few seconds.")
