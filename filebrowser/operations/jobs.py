"""Background jobs on files: they outlive the request, and resume after a restart.

Each step is noted when it is done. One that was under way when the process died is done again
from its beginning, unless what it was to name is found under a name in its folder already.
"""

import logging
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from filebrowser.access.gate import Place, open_parent_to_read
from filebrowser.errors import FileError, NoRoom, NotHere, TooBusy
from filebrowser.listing.tree import open_folder
from filebrowser.operations import extract, trash
from filebrowser.operations.copy_tree import measure
from filebrowser.operations.disk_full import is_disk_full
from filebrowser.operations.job_store import (
    FileJob,
    FileJobSpec,
    FileJobState,
    FileJobStore,
    FileOperation,
    Mark,
)
from filebrowser.operations.move import (
    FileStep,
    StepContext,
    StepResult,
    StepStatus,
    discard,
    inode_of_name,
    run_step,
    work_folder_place,
)
from filebrowser.uploads.reservations import (
    ReserveSpace,
    SpaceCounter,
    UnlimitedSpace,
    reserve_unlimited,
)
from filebrowser.uploads.rules import ContentRules
from filebrowser.uploads.upload_locks import OtherHolder, SharedTurns, UploadLock
from filebrowser.watch.file_events import FileEvent, FileEventKind

MAX_RUNNING = 2  # jobs that run; the others wait
MOST_WAITING = 20  # unfinished jobs of one caller
KEEP_SECONDS = 24 * 3600.0  # seconds for which a finished job is told of
FORGOTTEN_TEXT = (
    "The service ended meanwhile: what was left out, if anything, is not known any more."
)
LOOK_SECONDS = 0.2  # between two looks at a job of another process
CANCEL_SECONDS = 5.0  # for which the end of a cancelled job is waited for
PROGRESS_SECONDS = 0.5  # between two notes of how many bytes are done

log = logging.getLogger(__name__)
Tell = Callable[[FileEvent], None]


class _Stopped(Exception):
    """The job was cancelled, or the process ends."""


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
        self._running: dict[str, _RunningJob] = {}
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
        lock = _JobLock(job.who)
        if self._claim(job.id, lock) is not None:
            return False
        latest = self._store.find(job.who, job.id)
        if latest is None or latest.state.is_over:  # its process has ended it meanwhile
            self._leave(job.id, lock)
            return False
        if cancelled:
            lock.interrupt()
        self._start_job(latest, lock)
        return True

    def _claim(self, name: str, lock: "_JobLock", wanted: bool = False) -> OtherHolder | None:
        """Take the turn at a job; None if that was done."""
        return None if self._shared is None else self._shared.claim(_turn_of(name), lock, wanted)

    def _leave(self, name: str, lock: "_JobLock") -> None:
        if self._shared is not None:
            self._shared.leave(_turn_of(name), lock)

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
            lock = _JobLock(job.who)
            self._claim(job.id, lock)
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
        until, lock = time.monotonic() + CANCEL_SECONDS, _JobLock(job.who)
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

    def _start_job(self, job: FileJob, lock: "_JobLock") -> "_RunningJob":
        running = _RunningJob(
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


class _JobLock(UploadLock):
    """The turn at a job, which is ``cancelled`` where another process wants it."""

    def __init__(self, owner: str) -> None:
        self.cancelled = threading.Event()
        super().__init__(owner, self.cancelled.set, sending=False)


def _turn_of(name: str) -> str:
    return f"file-job {name}"


class _RunningJob:
    """One job under way."""

    def __init__(
        self,
        job: FileJob,
        store: FileJobStore,
        rules: ContentRules,
        tell: Tell,
        ending: threading.Event,
        reserve: ReserveSpace,
        lock: "_JobLock",
    ) -> None:
        self.job = job
        self.lock = lock
        self.finished = threading.Event()
        self.cancelled = lock.cancelled
        self._store = store
        self._rules = rules
        self._publish_event = tell
        self._shutting_down = ending
        self._reserve = reserve
        self._space: SpaceCounter = UnlimitedSpace()
        self._saved_at = 0.0

    def run(self) -> None:
        """Do what is left of the job."""
        try:
            self._check_cancelled()
            self._update(state=FileJobState.RUNNING, total=self._bytes_to_write())
            with self._reserve_space() as self._space:
                self._take_steps()
            self._finish()
        except _Stopped:
            if not self.cancelled.is_set():
                return  # the process ends: the next one goes on
            self._update(state=FileJobState.CANCELLED, error="Cancelled.")
        except (FileError, OSError) as error:
            words = str(error) if isinstance(error, FileError) else os.strerror(error.errno or 0)
            self._update(state=FileJobState.FAILED, error=words)
        except BaseException:
            self._update(
                state=FileJobState.FAILED, error="Something went wrong; the log says what."
            )
            raise

    def _take_steps(self) -> None:
        for step in self.job.spec.steps[len(self.job.results) :]:
            self._check_cancelled()
            result = self._recover_step(step) or self._run_step(step)
            self._update(results=(*self.job.results, result), mark=None)

    @property
    def _writes_bytes(self) -> bool:
        """Whether bytes are written: what moves within a tree writes none."""
        if self.job.spec.verb is FileOperation.MOVE:
            return any(s.source.root != s.folder.root for s in self.job.spec.steps)
        return self.job.spec.verb in (FileOperation.COPY, FileOperation.EXTRACT)

    def _reserve_space(self) -> AbstractContextManager[SpaceCounter]:
        """Room for what the job writes. Raises ``NoRoom``."""
        if not self._writes_bytes or not self.job.spec.steps:
            return nullcontext(UnlimitedSpace())
        size = max(0, self.job.total - self.job.done)
        return self._reserve(self.job.spec.steps[0].folder.root, size)

    def _finish(self) -> None:
        if self.job.spec.verb is FileOperation.RESTORE:
            for bin_ in {Place(s.source.root, s.source.names[:2]) for s in self.job.spec.steps}:
                trash.remove_if_empty(bin_)
        failed = [each for each in self.job.results if each.status is StepStatus.FAILED]
        left_out = sum(each.left_out_count for each in self.job.results)
        error = f"{left_out} files of the archive were left out." if left_out else ""
        error = f"{len(failed)} of {len(self.job.results)} failed." if failed else error
        self._update(state=FileJobState.FAILED if failed else FileJobState.DONE, error=error)

    def _bytes_to_write(self) -> int:
        """Bytes to write, as far as they are known before; of a zip its own."""
        if not self._writes_bytes or self.job.results:
            return self.job.total
        return sum(measure(step.source).size for step in self.job.spec.steps)

    def _run_step(self, step: FileStep) -> StepResult:
        spec = self.job.spec
        work = StepContext(
            self.job.id, spec.conflict, self._advance, self._publish, self._save_mark
        )
        if spec.verb is FileOperation.EXTRACT:
            return extract.extract_step(step, work, self._rules)
        return self._to_public_result(
            step, run_step(step, spec.verb is not FileOperation.COPY, work)
        )

    def _recover_step(self, step: FileStep) -> StepResult | None:
        """What became of a step that was under way when the process died; None: do it now."""
        mark = self.job.mark
        discard(work_folder_place(step.folder.root, self.job.id))
        name = _name_of_inode(step.folder, mark) if mark is not None else None
        if mark is None or name is None or _inode_at(step.source) == mark:
            return None  # what is found has its old name still
        if self.job.spec.verb not in (FileOperation.COPY, FileOperation.EXTRACT):
            discard(step.source)  # copied whole, across disks
        place = replace(step, name=name).target
        self._publish(FileEvent(FileEventKind.CREATED, place))
        note = FORGOTTEN_TEXT if self.job.spec.verb is FileOperation.EXTRACT else ""
        done = StepResult(f"/{step.source.text}", f"/{place.text}", StepStatus.DONE, note)
        return self._to_public_result(step, done)

    def _to_public_result(self, step: FileStep, result: StepResult) -> StepResult:
        """Nobody asks by the trash's own paths."""
        if self.job.spec.verb is FileOperation.DELETE:
            return replace(result, to=None)
        if self.job.spec.verb is FileOperation.RESTORE:
            return replace(result, path=f"/{step.target.text}")
        return result

    def _publish(self, event: FileEvent) -> None:
        verb, place, previous = self.job.spec.verb, event.place, event.previous
        if verb is FileOperation.DELETE and previous is not None:
            event = FileEvent(FileEventKind.DELETED, previous)
        elif verb is FileOperation.RESTORE:
            event = FileEvent(FileEventKind.CREATED, place)
        self._publish_event(event)

    def _save_mark(self, mark: Mark) -> None:
        self._update(mark=mark)

    def _advance(self, count: int) -> None:
        self._check_cancelled()
        self._space.take(count)
        self.job = replace(self.job, done=self.job.done + count)
        if time.monotonic() - self._saved_at > PROGRESS_SECONDS:
            self._saved_at = time.monotonic()
            self._save()

    def _check_cancelled(self) -> None:
        if self.cancelled.is_set() or self._shutting_down.is_set():
            raise _Stopped

    def _update(self, **changes: object) -> None:
        self.job = replace(self.job, **changes)  # type: ignore[arg-type]
        self._save()

    def _save(self) -> None:
        """Write down how the job stands; on a full disk the older word stays, and it goes on."""
        try:
            self._store.save(self.job)
        except sqlite3.Error as error:
            if not is_disk_full(error):
                raise
            log.warning("How the job %s stands is not written down: %s", self.job.id, error)


def _name_of_inode(folder: Place, mark: Mark) -> str | None:
    """The name under which what was marked lies in a folder."""
    fd = open_folder(folder)
    try:
        with os.scandir(fd) as entries:
            for entry in entries:
                facts = entry.stat(follow_symlinks=False)
                if (facts.st_dev, facts.st_ino) == mark:
                    return entry.name
    finally:
        os.close(fd)
    return None


def _inode_at(place: Place) -> Mark | None:
    """Device and inode of what lies at a place; None for nothing."""
    try:
        with open_parent_to_read(place) as (holder, name):
            return inode_of_name(holder, name)
    except (NotHere, FileNotFoundError):
        return None
