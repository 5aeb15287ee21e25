"""One job on files under way: its steps, each noted when it is done.

One that was under way when the process died is done again from its beginning, unless what it was to
name is found under a name in its folder already.
"""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from filebrowser.access.gate import Place, open_parent_to_read
from filebrowser.errors import FileError, NotHere
from filebrowser.listing.tree import open_folder
from filebrowser.operations import extract, trash
from filebrowser.operations.copy_tree import measure
from filebrowser.operations.disk_full import is_disk_full
from filebrowser.operations.job_store import (
    FileJob,
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
from filebrowser.uploads.reservations import ReserveSpace, SpaceCounter, UnlimitedSpace
from filebrowser.uploads.rules import ContentRules
from filebrowser.uploads.upload_locks import UploadLock
from filebrowser.watch.file_events import FileEvent, FileEventKind

FORGOTTEN_TEXT = (
    "The service ended meanwhile: what was left out, if anything, is not known any more."
)
PROGRESS_SECONDS = 0.5  # between two notes of how many bytes are done

log = logging.getLogger(__name__)
Tell = Callable[[FileEvent], None]


class JobStopped(Exception):
    """The job was cancelled, or the process ends."""


class JobLock(UploadLock):
    """The turn at a job, which is ``cancelled`` where another process wants it."""

    def __init__(self, owner: str) -> None:
        self.cancelled = threading.Event()
        super().__init__(owner, self.cancelled.set, sending=False)


def turn_of(name: str) -> str:
    return f"file-job {name}"


class RunningJob:
    """One job under way."""

    def __init__(
        self,
        job: FileJob,
        store: FileJobStore,
        rules: ContentRules,
        tell: Tell,
        ending: threading.Event,
        reserve: ReserveSpace,
        lock: JobLock,
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
        except JobStopped:
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
            raise JobStopped

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
