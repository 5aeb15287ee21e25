"""Keeps a job's lease alive, publishes its progress and reads stop requests, in the worker.

The engine's thread only leaves its progress here (:meth:`LeaseKeeper.__call__`, once a step,
microseconds); a thread of its own writes to the store. So the lease is also renewed while
weights are loaded and pictures decoded, which may take longer than a lease's term, and expires
when the process dies.
"""

import io
import logging
import sqlite3
import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from generator.hooks import Ended
from generator.request import Progress, Snapshot, Stop
from webapp.queues.contracts.progress import ProgressBoard, share_done
from webapp.queues.contracts.queue import Queue
from webapp.queues.contracts.stop_requests import StopRequests
from webapp.queues.errors import QueueError, StoreUnavailable
from webapp.worker.device_meter import DeviceShare

if TYPE_CHECKING:
    from PIL.Image import Image

    from webapp.queues.contracts.frame import Lease

RENEWAL_SECONDS = 1.0  # seconds between renewals when nothing happens
CONFIRM_SECONDS = 0.1  # seconds between looks at whether the queue answers again
MIN_REPORT_SECONDS = 0.05  # shortest time between two reports of progress


class LeaseStore(Queue, ProgressBoard, StopRequests, Protocol):
    """The parts of a store that a lease keeper uses."""


class LeaseLost(Ended):
    """Another worker has the job by now; this one must not answer it."""


class Abandoned(Ended):
    """The worker is shutting down and does not finish the job."""


class LeaseKeeper:
    """Keeps one job's lease, publishes progress, reads stop requests. A ``Watch``."""

    def __init__(
        self,
        store: "LeaseStore",
        lease: "Lease",
        options: Snapshot,
        log: logging.Logger,
        abandoned: threading.Event | None = None,
        step: Callable[[], None] = lambda: None,
        tell_busy: Callable[[], None] = lambda: None,
        share: DeviceShare | None = None,
    ) -> None:
        """``step`` is called in the engine's thread at each step, ``tell_busy`` with a renewal.

        ``share``: the job's, of the device.
        """
        self.store = store
        self.lease = lease
        self.preview_interval = (
            options.show_progress_every_n_steps if options.live_previews_enable else 0
        )
        self.log = log
        self.abandoned = abandoned or threading.Event()
        self.step = step
        self.tell_busy = tell_busy
        self.share = share
        self._lost = threading.Event()
        self._ended = threading.Event()
        self._changed = threading.Event()
        self._lock = threading.Lock()
        self._progress: Progress | None = None
        self._preview: Image | None = None
        self._stop = Stop.NO
        self._last_error = ""
        self._cut_off = False  # the store did not answer the last renewal
        self.share_done = 0.0  # of the job, 0..1
        self.skipped = False  # whether a batch was cut short
        report = partial(copy_context().run, self._report)  # its lines are of the same job
        self._thread = threading.Thread(target=report, name="lease-keeper", daemon=True)

    def __enter__(self) -> "LeaseKeeper":
        self._call_store(self._read_stop_request)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._changed.set()
        self._thread.join()

    def __call__(self, progress: Progress, preview: "Callable[[], Image] | None") -> Stop:
        """Record the engine's progress; returns the stop request. Raises LeaseLost, Abandoned."""
        self.step()
        if self._lost.is_set():
            raise LeaseLost
        if self.abandoned.is_set():
            raise Abandoned
        image = preview() if preview is not None and self._is_preview_due(progress) else None
        with self._lock:
            self._progress, self.share_done = progress, share_done(progress)
            self._preview = image or self._preview
            stop = self._stop
            if stop is Stop.SKIP:
                self._stop, self.skipped = Stop.NO, True
        self._changed.set()
        return stop

    def hold_device(self, weight: float) -> None:
        """The job's weight among those that share the device: the watch is a ``DeviceWatch``."""
        if self.share is not None:
            self.share.weigh(weight)

    def confirm(self, beat: Callable[[], None] = lambda: None) -> None:
        """See that the lease is ours before anything is saved. Raises LeaseLost, Abandoned.

        Where the queue's server does not answer, this waits until it does: another worker may have
        the job by now, or, where nobody could reach it, none. ``beat`` is called meanwhile: waiting
        is no hang.
        """
        while self._cut_off and not self._lost.is_set():
            if self.abandoned.wait(CONFIRM_SECONDS):
                raise Abandoned
            beat()
        if self._lost.is_set():
            raise LeaseLost

    def _is_preview_due(self, progress: Progress) -> bool:
        """Each n-th step; never the first, which shows noise."""
        return (
            self.preview_interval > 0
            and progress.step > 0
            and progress.step % self.preview_interval == 0
        )

    def _report(self) -> None:
        """The thread: publishes, renews and reads stop requests until the job has ended."""
        while True:
            self._changed.wait(RENEWAL_SECONDS)
            self._changed.clear()
            for act in (self._publish, self._renew, self.tell_busy, self._read_stop_request):
                self._call_store(act)
            if self._ended.wait(MIN_REPORT_SECONDS):
                return

    def _call_store(self, act: Callable[[], None]) -> None:
        """Call the store and log what fails; the next round tries again.

        No error may end the thread: the lease would be lost.
        """
        try:
            act()
        except Exception as error:
            if act == self._renew:
                self._cut_off = isinstance(error, StoreUnavailable)
            if str(error) != self._last_error:  # once, not at each step
                self._last_error = str(error)
                expected = isinstance(error, sqlite3.Error | QueueError | OSError)
                self.log.warning(
                    "job %s: cannot report: %s",
                    self.lease.frame.id, error, exc_info=None if expected else error,
                )  # fmt: skip

    def _renew(self) -> None:
        if self._ended.is_set():
            return
        seconds = self.share.seconds if self.share else None
        if not self.store.renew(self.lease, seconds):
            self._lost.set()
        self._cut_off = False

    def _publish(self) -> None:
        with self._lock:
            progress, preview = self._progress, self._preview
            self._progress = self._preview = None
        if progress is not None:
            self.store.publish_progress(
                self.lease.frame.id, progress, encode_png(preview) if preview else None
            )

    def _read_stop_request(self) -> None:
        stop = self.store.take_stop_request(self.lease.frame.id)
        if stop is not Stop.NO:
            with self._lock:
                self._stop = stop


def encode_png(image: "Image") -> bytes:
    """A preview as PNG bytes at compression level 1."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
