"""Locks of uploads: one sender at a time for each, and limits on concurrent transfers."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from filebrowser.uploads.errors import Busy, TooMany, TooManyInAll

STALE = 2.0  # seconds without a byte after which another one may take over
PATIENCE = 10.0  # seconds to wait for a sender to end
SILENCE = 60.0  # seconds without a byte after which a sender is sent away
LOOK = 0.1  # seconds between two looks at a sender


@dataclass(slots=True, eq=False)
class Turn:
    """One caller's lock on an upload. ``interrupt`` aborts a read that waits for bytes."""

    owner: str
    interrupt: Callable[[], None]
    sending: bool
    last: float = field(default_factory=time.monotonic)

    def touch(self) -> None:
        """Something came."""
        self.last = time.monotonic()

    @property
    def silent(self) -> float:
        """Seconds since something came."""
        return time.monotonic() - self.last


def nobody_waits() -> None:
    """The interrupt of a turn that waits for no bytes."""


class Turns:
    """Hands out turns. Thread-safe; it knows of one process, the files' locks of all."""

    def __init__(self, per_owner: int = 16, in_all: int = 64) -> None:
        self.per_owner, self.in_all = per_owner, in_all
        self._held: dict[str, Turn] = {}
        self._changed = threading.Condition()

    @contextmanager
    def turn(
        self,
        upload_id: str,
        owner: str,
        interrupt: Callable[[], None] = nobody_waits,
        sending: bool = False,
        at_once: bool = False,
    ) -> Iterator[Turn]:
        """Hold an upload; a holder who has fallen silent, or ``at_once`` any, is sent away.

        Raises :class:`Busy` when bytes keep coming to the other, :class:`TooMany` and
        :class:`TooManyInAll` (for senders) where the limits are reached.
        """
        mine = Turn(owner, interrupt, sending)
        with self._changed:
            self._wait_for(upload_id, 0.0 if at_once else STALE)
            if sending:
                self._check_limits(owner)
            mine.touch()
            self._held[upload_id] = mine
        try:
            yield mine
        finally:
            with self._changed:
                del self._held[upload_id]
                self._changed.notify_all()

    def send_silent_away(self, silence: float = SILENCE) -> None:
        """End the reads of senders from whom nothing has come for so many seconds."""
        with self._changed:
            silent = [t for t in self._held.values() if t.sending and t.silent > silence]
        for turn in silent:
            turn.interrupt()

    def held(self, upload_id: str) -> bool:
        """Whether somebody is at this upload now."""
        with self._changed:
            return upload_id in self._held

    def sending(self) -> int:
        """How many transfers are under way."""
        with self._changed:
            return sum(turn.sending for turn in self._held.values())

    def _wait_for(self, upload_id: str, stale: float) -> None:
        """Wait for the holder to end; one who has been silent for ``stale`` seconds is sent off."""
        begun, sent_off = time.monotonic(), None
        while (holder := self._held.get(upload_id)) is not None:
            waited = time.monotonic() - begun
            if holder is not sent_off and holder.silent >= stale:
                holder.interrupt()
                sent_off = holder
            lively = holder.sending and holder is not sent_off and waited > STALE
            if lively or waited > PATIENCE:
                raise Busy("Bytes are coming to this upload from somewhere else. Try again later.")
            self._changed.wait(LOOK)

    def _check_limits(self, owner: str) -> None:
        sending = Counter(turn.owner for turn in self._held.values() if turn.sending)
        if sending[owner] >= self.per_owner:
            raise TooMany(f"{sending[owner]} transfers of yours are under way. Wait for one.")
        if sending.total() >= self.in_all:
            raise TooManyInAll("Too many transfers are under way. Try again in a few seconds.")
