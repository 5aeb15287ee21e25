"""A thread that notices ended jobs and posts their webhooks, also those of earlier processes."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from webapp.jobs.job_book import ABANDONED_SECONDS, Delivery, JobBook
from webapp.jobs.job_ends import settle
from webapp.jobs.webhooks import WebhookPoster
from webapp.queues.contracts.queue import Queue
from webapp.queues.contracts.sink import Sink
from webapp.queues.drawn_pictures import DrawnPictures
from webapp.queues.errors import QueueError

LOOK_SECONDS = 0.5  # seconds between looks at the jobs that have not ended
LOOK_SHARE = 0.1  # of the time at most is spent looking
PURGE_SECONDS = 60.0
POSTING_THREADS = 8  # webhooks that are posted at once
POSTS_OF_ONE = 4  # of one owner: a receiver that hangs delays no other's
STOPPING_SECONDS = 1.0


Hold = Callable[[str], AbstractContextManager[bool]]
"""A turn among the web processes, for a block; whether it was there."""


def hold_always(name: str) -> AbstractContextManager[bool]:
    """The turn of the only web process."""
    return nullcontext(True)


@dataclass(frozen=True, slots=True)
class JobParts:
    """What the follower works with."""

    book: JobBook
    queue: Queue
    sink: Sink
    pictures: DrawnPictures
    poster: WebhookPoster
    hold: Hold = hold_always


class JobFollower(threading.Thread):
    """Follows the open jobs of a data directory; one of it runs in each web process."""

    def __init__(self, parts: JobParts, log: logging.Logger) -> None:
        super().__init__(name="job-follower", daemon=True)
        self.parts, self.log = parts, log
        self._ended = threading.Event()
        self._posting: dict[str, str] = {}  # job -> owner
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(POSTING_THREADS, "webhook")
        self._purged_at = float("-inf")
        self._last_error = ""

    def run(self) -> None:
        """Look until stopped. Nothing ends the thread: webhooks would wait for the next start."""
        pause = LOOK_SECONDS
        while not self._ended.wait(pause):
            began = time.monotonic()
            try:
                self.look()
                self._last_error = ""
            except (sqlite3.Error, QueueError, OSError) as error:
                self._tell(error, None)
            except Exception as error:
                self._tell(error, error)
            pause = max(LOOK_SECONDS, (time.monotonic() - began) / LOOK_SHARE)

    def stop(self) -> None:
        """End the thread; posts that are under way are made again after the next start."""
        self._ended.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self.is_alive():
            self.join(STOPPING_SECONDS)

    def look(self) -> None:
        """Settle open jobs, begin to post what is due, and forget what is old."""
        for record in self.parts.book.list_open():
            if record.confirmed:
                settle(record, self.parts.book, self.parts.queue, self.parts.sink)
            elif self.parts.book.clock() - record.created_at > ABANDONED_SECONDS:
                self._decide_unconfirmed(record.id)
        for delivery in self.parts.book.list_due(POSTS_OF_ONE):
            self._begin_post(delivery)
        if time.monotonic() - self._purged_at > PURGE_SECONDS:
            self._purged_at = time.monotonic()
            self.parts.book.purge()
            self.parts.pictures.purge()

    def _decide_unconfirmed(self, job: str) -> None:
        """The process died between the record and the frame, or between the frame and its note."""
        if self.parts.queue.is_queued(job) or self.parts.sink.wait(job, 0):
            self.parts.book.confirm(job)
        else:
            self.parts.book.remove(job)

    def _begin_post(self, delivery: Delivery) -> None:
        with self._lock:
            own = list(self._posting.values()).count(delivery.owner)
            is_full = own >= POSTS_OF_ONE or len(self._posting) >= POSTING_THREADS
            if delivery.job in self._posting or is_full:
                return
            self._posting[delivery.job] = delivery.owner
        self._pool.submit(self._post, delivery)

    def _post(self, delivery: Delivery) -> None:
        book = self.parts.book
        try:
            with self.parts.hold(f"webhook {delivery.job}") as is_ours:
                # Else it was posted since we looked, or another web process is at it.
                if is_ours and book.find_delivery(delivery.job) == delivery:
                    book.note_attempt(self.parts.poster.attempt(delivery))
        except Exception:  # it is due still, and tried again
            self.log.exception("job %s: its webhook was not posted", delivery.job)
        finally:
            with self._lock:
                self._posting.pop(delivery.job, None)

    def _tell(self, error: Exception, trace: Exception | None) -> None:
        """Log an error once, not at each look."""
        if str(error) != self._last_error:
            self._last_error = str(error)
            self.log.warning("jobs cannot be followed now: %s", error, exc_info=trace)
