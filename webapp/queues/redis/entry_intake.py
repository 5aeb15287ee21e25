"""The service's side of the input: entries that become frames."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from webapp.queues.contracts.entries import Entry
from webapp.queues.entry_terms import READING_SECONDS, EntryTerms
from webapp.queues.errors import QueueError
from webapp.queues.lost_worker import entry_unreadable_body, entry_unreadable_reason
from webapp.queues.redis.entry_rows import END, entry_of
from webapp.queues.redis.notifier import RedisNotifier
from webapp.queues.redis.server import RedisServer

READERS_TOPIC = "readers"


class RedisEntryIntake:
    """See the contract of ``EntryIntake``.

    A put of the same process hands its entry to a reader that waits, in one act of the server.
    """

    def __init__(self, server: RedisServer, notifier: RedisNotifier, terms: EntryTerms) -> None:
        self.server, self.notifier, self.terms = server, notifier, terms
        self._lock = threading.Lock()
        self._waiting = 0  # readers
        self._handed: list[Entry] = []
        self._doubtful: list[str] = []  # request ids of entries that may be leased to nobody

    def take_entry(self, passed_over: Sequence[str] = (), timeout: float = 0.0) -> Entry | None:
        """The next entry that no frame was made of; see the contract."""
        until = time.monotonic() + timeout
        self._clear_up()
        with self.notifier.subscribe(READERS_TOPIC, one_of_many=True) as subscription:
            while True:
                entry = self._next_handed(passed_over) or self._lease_next(passed_over)
                if entry is not None:
                    return entry
                with self._wait():
                    if not subscription.wait(until):
                        return None

    @contextmanager
    def offer_reader(self, request_id: str) -> Iterator[bool]:
        """Whether a reader waits for an entry that is put in this block; see :meth:`hand_over`."""
        with self._lock:
            is_free = self._waiting > len(self._handed)
        try:
            yield is_free
        except QueueError:
            if is_free:
                with self._lock:
                    self._doubtful.append(request_id)
            raise

    def hand_over(self, entry: Entry) -> None:
        """Give an entry that was leased in the act that stored it to a reader."""
        with self._lock:
            self._handed.append(entry)
        self.notifier.subscribers.wake(READERS_TOPIC)

    @contextmanager
    def _wait(self) -> Iterator[None]:
        with self._lock:
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1

    def _next_handed(self, passed_over: Sequence[str]) -> Entry | None:
        with self._lock:
            entry = next((each for each in self._handed if each.owner not in passed_over), None)
            if entry is not None:
                self._handed.remove(entry)
        return entry

    def _clear_up(self) -> None:
        """Let entries be read whose put was not answered, if they were stored."""
        while True:
            with self._lock:
                if not self._doubtful:
                    return
                request_id = self._doubtful.pop()
            try:
                self.give_back_entry(request_id, 0.0)
            except QueueError:
                with self._lock:
                    self._doubtful.append(request_id)
                raise

    def _lease_next(self, passed_over: Sequence[str]) -> Entry | None:
        rank, rows = 0, list[Any]()
        why = entry_unreadable_reason(self.terms.max_delivery)
        while rank != END and not rows:
            rank, *rows = self.server.run(
                "intake_take",
                rank=rank,
                passed_over=list(passed_over),
                max_attempts=self.terms.max_delivery,
                reading=READING_SECONDS,
                why=why,
                failure=entry_unreadable_body(why).decode(),
            )
        return entry_of(rows[0]) if rows else None

    def recover(self) -> None:
        """Take entries anew whose frame is gone without an answer, or whose reader is."""
        start = 0
        while start != END:
            start = self.server.run("intake_recover", **{"from": start})

    def give_back_entry(self, request_id: str, seconds: float) -> None:
        """It cannot become a frame yet: not before so many seconds, uncounted."""
        self._run("intake_give_back", request_id, seconds=seconds)

    def finish_entry(self, request_id: str, status: int, body: bytes) -> bool:
        """Put a result into the sink and remove the entry; see the contract."""
        return bool(self._run("intake_finish", request_id, body, status=status))

    def _run(self, act: str, request_id: str, payload: bytes = b"", /, **arguments: Any) -> Any:
        return self.server.run(act, payload, request_id=request_id, **arguments)
