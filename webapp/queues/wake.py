"""A bell between processes, so that nobody polls a database to learn that something happened.

Each listening process has a named pipe in a folder that all share; ringing writes one record of
eight bytes to every pipe there. (A Unix socket would do, but its path may have 107 bytes only,
and data directories have longer ones.) The bell is a hint, never the truth: a listener looks at
the database when it rings, and every ``PATIENCE`` seconds in any case.
"""

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

RECORD = 8
PATIENCE = 0.5  # seconds between looks when the bell works
IMPATIENCE = 0.02  # ... and on a file system that has no pipes
WORK = "work"  # the topic of idle workers; answers ring with the frame's id
CLOSED = bytes(RECORD)


def record_of(topic: str) -> bytes:
    """Eight bytes for a topic. Two topics may share them; that only wakes somebody in vain."""
    return hashlib.blake2b(topic.encode(), digest_size=RECORD).digest()


class Bell:
    """One process's ear and voice. The thread that listens starts with the first listener."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._waiting: dict[bytes, set[threading.Event]] = {}
        self._path: Path | None = None
        self._pipe: int | None = None
        self._deaf = False

    @contextmanager
    def listening(self, topic: str) -> Iterator["Ear"]:
        """Hear the topic for as long as the block lasts; enter it before looking."""
        record, event = record_of(topic), threading.Event()
        with self._lock:
            self._start()
            self._waiting.setdefault(record, set()).add(event)
        try:
            yield Ear(event, IMPATIENCE if self._deaf else PATIENCE)
        finally:
            with self._lock:
                events = self._waiting[record]
                events.discard(event)
                if not events:
                    del self._waiting[record]

    def ring(self, topic: str) -> None:
        """Wake all who listen to the topic, in this process and in others. Never fails."""
        record = record_of(topic)
        self._wake(record)
        with suppress(OSError):
            for name in os.listdir(self.folder):
                path = self.folder / name
                if path != self._path and name.endswith(".pipe"):
                    deliver(path, record)

    def close(self) -> None:
        """Stop listening and remove the pipe."""
        with self._lock:
            self._silence()
            self._deaf = True

    def _silence(self) -> None:
        """Remove the pipe, if there is one, and end its thread."""
        if self._pipe is None or self._path is None:
            return
        with suppress(OSError):  # a folder that cannot be reached any more
            self._path.unlink()
        with suppress(OSError):
            os.write(self._pipe, CLOSED)
        self._pipe = self._path = None

    def _start(self) -> None:
        """Make the pipe and the thread; deaf where the file system knows no pipes.

        Once, and again when somebody has removed the pipe, as with its folder.
        """
        if self._deaf or (self._path is not None and self._path.exists()):
            return
        self._silence()
        name = f"{os.getpid()}-{uuid4().hex[:8]}"
        unborn = self.folder / name
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            os.mkfifo(unborn, 0o600)
            # Open for both ways: the pipe then never ends when its last writer leaves. Named
            # only when open: who finds a pipe without a reader removes it as a dead one's.
            self._pipe = os.open(unborn, os.O_RDWR | os.O_CLOEXEC)
            self._path = unborn.rename(self.folder / f"{name}.pipe")
        except OSError:
            self._deaf = True
            return
        threading.Thread(target=self._listen, args=(self._pipe,), name="bell", daemon=True).start()

    def _listen(self, pipe: int) -> None:
        try:
            while records := os.read(pipe, 512 * RECORD):
                for start in range(0, len(records), RECORD):
                    record = records[start : start + RECORD]
                    if record == CLOSED:
                        return
                    self._wake(record)
        finally:
            os.close(pipe)

    def _wake(self, record: bytes) -> None:
        with self._lock:
            for event in self._waiting.get(record, ()):
                event.set()


class Ear:
    """What :meth:`Bell.listening` gives: waits for the bell, or for patience to end."""

    def __init__(self, event: threading.Event, patience: float) -> None:
        self._event = event
        self._patience = patience

    def wait(self, until: float) -> bool:
        """Sleep till the bell rings or it is time to look; False once ``until`` has passed.

        ``until`` is of :func:`time.monotonic`.
        """
        left = until - time.monotonic()
        if left <= 0:
            return False
        self._event.wait(min(left, self._patience))
        self._event.clear()
        return True


def deliver(path: Path, record: bytes) -> None:
    """Write a record to a pipe; remove the pipe if its listener is dead."""
    try:
        pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        path.unlink(missing_ok=True)
        return
    try:
        with suppress(BlockingIOError):  # a full pipe: its listener has enough to wake for
            os.write(pipe, record)
    finally:
        os.close(pipe)
