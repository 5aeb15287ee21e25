"""Notifications between processes, so that nobody has to poll a database tightly.

Each subscribed process has a named pipe in a shared folder; a notification writes one record of
eight bytes to every pipe there. (Unix sockets limit their path to 107 bytes, and data
directories have longer ones.) A notification is a hint only: a subscriber reads the database
when one arrives, and every ``POLL_SECONDS`` in any case.
"""

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Generic, TypeVar
from uuid import uuid4

from webapp.queues.bell_pipes import BellPipes

T = TypeVar("T")

RECORD_BYTES = 8
POLL_SECONDS = 0.5  # seconds between looks when the bell works
POLL_SECONDS_WITHOUT_PIPES = 0.02  # ... and on a file system that has no pipes
WORK_TOPIC = "work"  # the topic of idle workers; answers ring with the frame's id
CLOSE_RECORD = bytes(RECORD_BYTES)


def record_of(topic: str) -> bytes:
    """Eight bytes for a topic. Two topics may share them; that only wakes somebody in vain."""
    return hashlib.blake2b(topic.encode(), digest_size=RECORD_BYTES).digest()


class Subscribers(Generic[T]):
    """Who waits in this process, by topic."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: dict[T, set[threading.Event]] = {}
        self._one_of_many: set[threading.Event] = set()

    def __bool__(self) -> bool:
        """Whether anybody waits."""
        return bool(self._events)

    @contextmanager
    def add(self, topic: T, *, one_of_many: bool = False) -> Iterator[threading.Event]:
        """Wait for a topic for a block; the event is set at each notification.

        Of those that are ``one_of_many``, who all take what comes, each notification wakes one.
        """
        event = threading.Event()
        with self._lock:
            self._events.setdefault(topic, set()).add(event)
            if one_of_many:
                self._one_of_many.add(event)
        try:
            yield event
        finally:
            with self._lock:
                events = self._events[topic]
                events.discard(event)
                if not events:
                    del self._events[topic]
                self._one_of_many.discard(event)
            if one_of_many and event.is_set():  # it leaves without having looked
                self._wake_one(topic)

    def wake(self, topic: T) -> None:
        """Wake who waits for a topic, and one of those of whom one is enough."""
        with self._lock:
            for event in self._events.get(topic, set()) - self._one_of_many:
                event.set()
        self._wake_one(topic)

    def _wake_one(self, topic: T) -> None:
        with self._lock:
            for event in self._events.get(topic, set()) & self._one_of_many:
                if not event.is_set():  # who was woken before will look for that other one
                    event.set()
                    return

    def wake_all(self) -> None:
        """Wake all: notifications may have been missed."""
        with self._lock:
            for events in self._events.values():
                for event in events:
                    event.set()


class Notifier:
    """Publishes and receives notifications; its thread starts with the first subscription."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self.subscribers: Subscribers[bytes] = Subscribers()
        self._others = BellPipes(folder)
        self._path: Path | None = None
        self._pipe: int | None = None
        self._pipes_unusable = False

    @contextmanager
    def subscribe(self, topic: str, *, one_of_many: bool = False) -> Iterator["Subscription"]:
        """Subscribe to a topic for a block; enter it before reading the database."""
        with self._lock:
            self._start()
        with self.subscribers.add(record_of(topic), one_of_many=one_of_many) as event:
            yield Subscription(
                event, POLL_SECONDS_WITHOUT_PIPES if self._pipes_unusable else POLL_SECONDS
            )

    def notify(self, *topics: str) -> None:
        """Wake all subscribers of the topics, in this process and in others. Never fails."""
        records = [record_of(topic) for topic in topics]
        for record in records:
            self.subscribers.wake(record)
        own = self._path
        self._others.write(b"".join(records), own.name if own else "")

    def close(self) -> None:
        """Stop listening and remove the pipe."""
        with self._lock:
            self._remove_pipe()
            self._pipes_unusable = True
        self._others.close()

    def _remove_pipe(self) -> None:
        """Remove the pipe, if there is one, and end its thread."""
        if self._pipe is None or self._path is None:
            return
        with suppress(OSError):  # a folder that cannot be reached any more
            self._path.unlink()
        with suppress(OSError):
            os.write(self._pipe, CLOSE_RECORD)
        self._pipe = self._path = None

    def _start(self) -> None:
        """Create the pipe and its reader thread; without pipes subscribers poll more often.

        Once, and again when the pipe was removed, as with its folder.
        """
        if self._pipes_unusable or (self._path is not None and self._path.exists()):
            return
        self._remove_pipe()
        name = f"{os.getpid()}-{uuid4().hex[:8]}"
        unpublished = self.folder / name
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            os.mkfifo(unpublished, 0o600)
            # Open for both ways: the pipe then never ends when its last writer leaves. Named
            # only when open: who finds a pipe without a reader removes it as a dead one's.
            self._pipe = os.open(unpublished, os.O_RDWR | os.O_CLOEXEC)
            self._path = unpublished.rename(self.folder / f"{name}.pipe")
        except OSError:
            self._pipes_unusable = True
            return
        threading.Thread(target=self._listen, args=(self._pipe,), name="bell", daemon=True).start()

    def _listen(self, pipe: int) -> None:
        try:
            while records := os.read(pipe, 512 * RECORD_BYTES):
                for start in range(0, len(records), RECORD_BYTES):
                    record = records[start : start + RECORD_BYTES]
                    if record == CLOSE_RECORD:
                        return
                    self.subscribers.wake(record)
        finally:
            os.close(pipe)


class Subscription:
    """One subscription: waits for a notification or the end of the poll interval."""

    def __init__(self, event: threading.Event, poll_seconds: float) -> None:
        self._event = event
        self._poll_seconds = poll_seconds

    def wait(self, until: float) -> bool:
        """Sleep until a notification or the next poll is due; False once ``until`` has passed.

        ``until`` is of :func:`time.monotonic`.
        """
        left = until - time.monotonic()
        if left <= 0:
            return False
        self._event.wait(min(left, self._poll_seconds))
        self._event.clear()
        return True
