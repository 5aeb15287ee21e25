"""Turns among web processes of a service: see ``upload_locks.SharedTurns``. No Flask.

A turn lives in the queue's server for a few seconds and is kept by a thread: it ends soon after
its process, however that ended.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from uuid import uuid4

from filebrowser.uploads.upload_locks import OtherHolder, UploadLock, no_interrupt
from webapp.queues.errors import QueueBusy, QueueError
from webapp.queues.redis.server import PREFIX, RedisServer

TURN_SECONDS = 5.0  # that a turn outlives its process
WAIT_SECONDS = 10.0  # longer than a turn outlives its process
POLL_SECONDS = 0.02
KEEP_SECONDS = 0.5  # between two looks of its keeper

log = logging.getLogger("easel")


class RedisTurns:
    """Turns of one process; ``close`` ends the thread that keeps them."""

    def __init__(self, server: RedisServer, turn_seconds: float = TURN_SECONDS) -> None:
        self.server, self.kept_ms = server, int(turn_seconds * 1000)
        self._process = uuid4().hex
        self._held: dict[str, UploadLock] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()

    def claim(self, name: str, lock: UploadLock, wanted: bool) -> OtherHolder | None:
        """Take the turn; None if that was done. The holder ends if it is ``wanted``."""
        reply = self.server.run(
            "claim_turn",
            name=name,
            token=self._token(lock),
            sending=lock.sending,
            wanted=wanted,
            kept_ms=self.kept_ms,
        )
        if isinstance(reply, list):
            return OtherHolder(reply[0] / 1000, bool(reply[1]))
        with self._lock:
            self._held[name] = lock
            self._start()
        return None

    def leave(self, name: str, lock: UploadLock) -> None:
        """Give the turn back; where the server is away it ends by itself."""
        with self._lock:
            if self._held.get(name) is lock:  # it may have ended, and be another's by now
                del self._held[name]
        with suppress(QueueError):
            self.server.run("leave_turn", name=name, token=self._token(lock))

    def is_held(self, name: str) -> bool:
        """Whether any process has the turn."""
        with self.server.explain_errors():
            return bool(self.server.client.exists(f"{PREFIX}turn:{name}"))

    @contextmanager
    def hold(self, name: str) -> Iterator[bool]:
        """A turn for a block, where no other process has it; whether it was taken."""
        lock = UploadLock("", no_interrupt, sending=False)
        taken = self.claim(name, lock, False) is None
        try:
            yield taken
        finally:
            if taken:
                self.leave(name, lock)

    @contextmanager
    def wait_for(self, name: str) -> Iterator[None]:
        """A turn for a block, waited for. Raises ``QueueBusy`` after some seconds."""
        lock, until = UploadLock("", no_interrupt, sending=False), time.monotonic() + WAIT_SECONDS
        while self.claim(name, lock, False) is not None:
            if time.monotonic() > until:
                raise QueueBusy(f"Another web process is at {name}; try again in a moment.")
            time.sleep(POLL_SECONDS)
        try:
            yield
        finally:
            self.leave(name, lock)

    def close(self) -> None:
        """End the thread."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def keep(self) -> None:
        """Keep what is held; who has lost a turn, or shall give it up, reads no more."""
        with self._lock:
            held = tuple(self._held.items())
        for name, lock in held:
            reply = self.server.run(
                "keep_turn",
                name=name,
                token=self._token(lock),
                sending=lock.sending,
                silent=int(lock.silent_seconds * 1000),
                kept_ms=self.kept_ms,
            )
            with self._lock:
                is_over = self._held.get(name) is not lock
            if is_over:  # it was given back meanwhile, and must not be held for nobody
                self.leave(name, lock)
            elif reply != 1:
                lock.interrupt()

    def _token(self, lock: UploadLock) -> str:
        return f"{self._process}-{id(lock)}"

    def _start(self) -> None:
        if self._thread is None and not self._ended.is_set():
            self._thread = threading.Thread(target=self._run, name="turns", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(KEEP_SECONDS):
            try:
                self.keep()
            except QueueError as error:
                log.debug("turns are not kept now: %s", error)
