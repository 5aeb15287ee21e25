"""Background jobs on files: they outlive the request, and resume after a restart."""

import logging
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from filebrowser.errors import NoRoom, NotHere, TooBusy
from filebrowser.operations.disk_full import is_disk_full
from filebrowser.operations.job_store import (
    FileJob,
    FileJobSpec,
    FileJobState,
    FileJobStore,
    FileOperation,
)
from filebrowser.operations.running_job import JobLock, RunningJob, Tell, turn_of
from filebrowser.uploads.reservations import ReserveSpace, reserve_unlimited
from filebrowser.uploads.rules import ContentRules
from filebrowser.uploads.upload_locks import OtherHolder, SharedTurns

MAX_RUNNING = 2  # jobs that run; the others wait
MOST_WAITING = 20  # unfinished jobs of one caller
KEEP_SECONDS = 24 * 3600.0  # seconds for which a finished job is told of
LOOK_SECONDS = 0.2  # between two looks at a job of another process
CANCEL_SECONDS = 5.0  # for which the end of a cancelled job is waited for

log = logging.getLogger(__name__)


class FileJobs:
    """Runs file jobs in a thread pool and reports their state. Start it after any fork.

    With ``shared`` other processes have the same store: a job runs in the one that has its turn.
    """

    def __init__(
        self,
        store: FileJobStore,
        rules: ContentRules,
        tell: Tell,
        reserve: ReserveSpace = reserve_unlimited,
        shared: SharedTurns | None = None,
    ) -> None:
        self._store = store
        self._shared = shared
        self._rules = rules
        self._publish = tell
        self._reserve = reserve
        self._submitting = threading.Lock()
        self._lock = threading.Lock()
        self._running: dict[str, RunningJob] = {}
        self._shutting_down = threading.Event()
        self._pool = ThreadPoolExecutor(MAX_RUNNING, thread_name_prefix="file-jobs")

    def start(self) -> None:
        """Take up what was not finished when the process last ended."""
        self._forget_old()
        self.adopt()

    def adopt(self) -> None:
        """Take up what nobody works on: what this process, or another, left when it ended."""
        for job in self._store.list_unfinished():
            with self._lock:
                is_own = job.id in self._running
            if not is_own and not self._shutting_down.is_set():
                self._take_up(job)

    def _take_up(self, job: FileJob, cancelled: bool = False) -> bool:
        """Go on with a job unless another process does; whether this one goes on."""
        lock = JobLock(job.who)
        if self._claim(job.id, lock) is not None:
            return False
        with self._left_on_error(job.id, lock):
            latest = self._store.find(job.who, job.id)
            if latest is None or latest.state.is_over:  # its process has ended it meanwhile
                self._leave(job.id, lock)
                return False
            if cancelled:
                lock.interrupt()
            self._start_job(latest, lock)
        return True

    def _claim(self, name: str, lock: JobLock, wanted: bool = False) -> OtherHolder | None:
        """Take the turn at a job; None if that was done."""
        return None if self._shared is None else self._shared.claim(turn_of(name), lock, wanted)

    def _leave(self, name: str, lock: JobLock) -> None:
        if self._shared is not None:
            self._shared.leave(turn_of(name), lock)

    @contextmanager
    def _left_on_error(self, name: str, lock: JobLock) -> Iterator[None]:
        """A block after whose failure the turn is no longer kept, or nobody could go on."""
        try:
            yield
        except BaseException:
            self._leave(name, lock)
            raise

    def stop(self) -> None:
        """End; what runs is taken up at the next start."""
        self._shutting_down.set()
        self._pool.shutdown(cancel_futures=True)
        self._store.close()

    def submit(self, spec: FileJobSpec, timeout: float) -> FileJob:
        """Begin a job: its state after ``timeout`` seconds, or earlier when it is over.

        Raises :class:`TooBusy` where the caller has too many, and :class:`NoRoom`.
        """
        who = spec.visit.who
        self._forget_old()
        with self._submitting:  # or many at once would all find room
            with self._lock:
                own = sum(each.job.who == who for each in self._running.values())
            if own >= MOST_WAITING:
                raise TooBusy(f"{MOST_WAITING} jobs of yours are under way; wait for one to end.")
            job = FileJob(secrets.token_hex(12), who, FileJobState.WAITING, time.time(), spec)
            lock = JobLock(job.who)
            self._claim(job.id, lock)
            with self._left_on_error(job.id, lock):
                self._store_new(job)
                running = self._start_job(job, lock)
        running.finished.wait(timeout)
        return running.job

    def _store_new(self, job: FileJob) -> None:
        """Write a new job down. On a full disk one that deletes goes on without: it makes room.

        Raises :class:`NoRoom` for others.
        """
        try:
            self._store.add(job)
        except sqlite3.Error as error:
            if not is_disk_full(error):
                raise
            if job.spec.verb is not FileOperation.DELETE:
                raise NoRoom("The disk is full; the job was not begun. Delete something.") from None
            log.warning("The job %s is not written down, as the disk is full", job.id)

    def jobs_of(self, who: str) -> list[FileJob]:
        """A caller's jobs, the latest first."""
        return [self._current_state(job) for job in self._store.jobs_of(who)]

    def get(self, who: str, name: str) -> FileJob:
        """A caller's own job. Raises :class:`NotHere`."""
        job = self._store.find(who, name)
        if job is None:
            raise NotHere(f"You have no job {name[:80]!r}.")
        return self._current_state(job)

    def cancel(self, who: str, name: str) -> FileJob:
        """End a job after the piece it is at; what it has done stays. Raises :class:`NotHere`."""
        job = self.get(who, name)
        with self._lock:
            running = self._running.get(job.id)
        if running is not None:
            running.cancelled.set()
            running.finished.wait(CANCEL_SECONDS)
        elif self._shared is not None and not job.state.is_over:
            self._cancel_elsewhere(job)
        return self.get(who, name)

    def _cancel_elsewhere(self, job: FileJob) -> None:
        """Have the process end a job that works on it; this one where none does."""
        until, lock = time.monotonic() + CANCEL_SECONDS, JobLock(job.who)
        while time.monotonic() < until:
            if self._claim(job.id, lock, wanted=True) is None:
                self._leave(job.id, lock)  # it has ended, or its process has
                self._take_up(job, cancelled=True)
            if self.get(job.who, job.id).state.is_over:
                return
            time.sleep(LOOK_SECONDS)

    def _forget_old(self) -> None:
        try:
            self._store.delete_finished(time.time() - KEEP_SECONDS)
        except sqlite3.Error as error:
            if not is_disk_full(error):
                raise
            log.warning("Old jobs on files are not forgotten yet: %s", error)

    def _current_state(self, job: FileJob) -> FileJob:
        with self._lock:
            running = self._running.get(job.id)
        return running.job if running is not None else job

    def _start_job(self, job: FileJob, lock: JobLock) -> RunningJob:
        running = RunningJob(
            job, self._store, self._rules, self._publish, self._shutting_down, self._reserve, lock
        )
        with self._lock:
            self._running[job.id] = running
        self._pool.submit(running.run).add_done_callback(
            lambda done: self._finish_job(job.id, done)
        )
        return running

    def _finish_job(self, name: str, done: "Future[None]") -> None:
        with self._lock:
            running = self._running.pop(name)
        self._leave(name, running.lock)
        running.finished.set()
        if not done.cancelled() and (error := done.exception()) is not None:
            log.error("A job on files failed", exc_info=error)
