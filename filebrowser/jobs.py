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

from filebrowser import extract, trash
from filebrowser.copying import measure, remove
from filebrowser.errors import FileError, NoRoom, NotHere, TooBusy
from filebrowser.gate import Place, holder_of, parent_of
from filebrowser.happenings import Happening, What
from filebrowser.jobstore import Errand, Job, JobStore, Mark, Phase, Verb
from filebrowser.making_room import is_full
from filebrowser.moving import (
    Result,
    State,
    Step,
    Work,
    discard,
    identity,
    take_step,
    work_place,
)
from filebrowser.tree import open_folder
from filebrowser.uploads.reservations import Reserve, Room, Unlimited, reserve_nothing
from filebrowser.uploads.rules import Rules

AT_ONCE = 2  # jobs that run; the others wait
MOST_WAITING = 20  # unfinished jobs of one caller
KEPT = 24 * 3600.0  # seconds for which a finished job is told of
FORGOTTEN = "The service ended meanwhile: what was left out, if anything, is not known any more."
SHOWN_SECONDS = 0.5  # between two notes of how many bytes are done

log = logging.getLogger(__name__)
Tell = Callable[[Happening], None]


class _Stopped(Exception):
    """The job was cancelled, or the process ends."""


class Jobs:
    """Runs file jobs in a thread pool and reports their state. Start it after any fork."""

    def __init__(
        self, store: JobStore, rules: Rules, tell: Tell, reserve: Reserve = reserve_nothing
    ) -> None:
        self._store = store
        self._rules = rules
        self._tell = tell
        self._reserve = reserve
        self._submitting = threading.Lock()
        self._lock = threading.Lock()
        self._live: dict[str, _Running] = {}
        self._ending = threading.Event()
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="file-jobs")

    def start(self) -> None:
        """Take up what was not finished when the process last ended."""
        self._forget_old()
        for job in self._store.unfinished():
            self._begin(job)

    def stop(self) -> None:
        """End; what runs is taken up at the next start."""
        self._ending.set()
        self._pool.shutdown(cancel_futures=True)
        self._store.close()

    def submit(self, errand: Errand, patience: float) -> Job:
        """Begin an errand: how it stands after ``patience`` seconds, or earlier when it is over.

        Raises :class:`TooBusy` where the caller has too many, and :class:`NoRoom`.
        """
        who = errand.visit.who
        self._forget_old()
        with self._submitting:  # or many at once would all find room
            with self._lock:
                own = sum(each.job.who == who for each in self._live.values())
            if own >= MOST_WAITING:
                raise TooBusy(f"{MOST_WAITING} jobs of yours are under way; wait for one to end.")
            job = Job(secrets.token_hex(12), who, Phase.WAITING, time.time(), errand)
            self._keep(job)
            running = self._begin(job)
        running.over.wait(patience)
        return running.job

    def _keep(self, job: Job) -> None:
        """Write a new job down. On a full disk one that deletes goes on without: it makes room.

        Raises :class:`NoRoom` for others.
        """
        try:
            self._store.add(job)
        except sqlite3.Error as error:
            if not is_full(error):
                raise
            if job.errand.verb is not Verb.DELETE:
                raise NoRoom("The disk is full; the job was not begun. Delete something.") from None
            log.warning("The job %s is not written down, as the disk is full", job.id)

    def of(self, who: str) -> list[Job]:
        """A caller's jobs, the latest first."""
        return [self._now(job) for job in self._store.of(who)]

    def get(self, who: str, name: str) -> Job:
        """A caller's own job. Raises :class:`NotHere`."""
        job = self._store.find(who, name)
        if job is None:
            raise NotHere(f"You have no job {name[:80]!r}.")
        return self._now(job)

    def cancel(self, who: str, name: str) -> Job:
        """End a job after the piece it is at; what it has done stays. Raises :class:`NotHere`."""
        job = self.get(who, name)
        with self._lock:
            running = self._live.get(job.id)
        if running is not None:
            running.cancelled.set()
            running.over.wait(5)
        return self.get(who, name)

    def _forget_old(self) -> None:
        try:
            self._store.forget(time.time() - KEPT)
        except sqlite3.Error as error:
            if not is_full(error):
                raise
            log.warning("Old jobs on files are not forgotten yet: %s", error)

    def _now(self, job: Job) -> Job:
        with self._lock:
            running = self._live.get(job.id)
        return running.job if running is not None else job

    def _begin(self, job: Job) -> "_Running":
        running = _Running(job, self._store, self._rules, self._tell, self._ending, self._reserve)
        with self._lock:
            self._live[job.id] = running
        self._pool.submit(running.run).add_done_callback(lambda done: self._end(job.id, done))
        return running

    def _end(self, name: str, done: "Future[None]") -> None:
        with self._lock:
            running = self._live.pop(name)
        running.over.set()
        if not done.cancelled() and (error := done.exception()) is not None:
            log.error("A job on files failed", exc_info=error)


class _Running:
    """One job under way."""

    def __init__(
        self,
        job: Job,
        store: JobStore,
        rules: Rules,
        tell: Tell,
        ending: threading.Event,
        reserve: Reserve,
    ) -> None:
        self.job = job
        self.over = threading.Event()
        self.cancelled = threading.Event()
        self._store = store
        self._rules = rules
        self._tell = tell
        self._ending = ending
        self._reserve = reserve
        self._room: Room = Unlimited()
        self._shown = 0.0

    def run(self) -> None:
        """Do what is left of the job."""
        try:
            self._check()
            self._note(state=Phase.RUNNING, total=self._size())
            with self._reserved() as self._room:
                self._take_steps()
            self._finish()
        except _Stopped:
            if not self.cancelled.is_set():
                return  # the process ends: the next one goes on
            self._note(state=Phase.CANCELLED, error="Cancelled.")
        except (FileError, OSError) as error:
            words = str(error) if isinstance(error, FileError) else os.strerror(error.errno or 0)
            self._note(state=Phase.FAILED, error=words)
        except BaseException:
            self._note(state=Phase.FAILED, error="Something went wrong; the log says what.")
            raise

    def _take_steps(self) -> None:
        for step in self.job.errand.steps[len(self.job.results) :]:
            self._check()
            result = self._again(step) or self._step(step)
            self._note(results=(*self.job.results, result), mark=None)

    @property
    def _writes(self) -> bool:
        """Whether bytes are written: what moves within a tree writes none."""
        if self.job.errand.verb is Verb.MOVE:
            return any(s.source.root != s.folder.root for s in self.job.errand.steps)
        return self.job.errand.verb in (Verb.COPY, Verb.EXTRACT)

    def _reserved(self) -> AbstractContextManager[Room]:
        """Room for what the job writes. Raises ``NoRoom``."""
        if not self._writes or not self.job.errand.steps:
            return nullcontext(Unlimited())
        size = max(0, self.job.total - self.job.done)
        return self._reserve(self.job.errand.steps[0].folder.root, size)

    def _finish(self) -> None:
        if self.job.errand.verb is Verb.RESTORE:
            for bin_ in {Place(s.source.root, s.source.names[:2]) for s in self.job.errand.steps}:
                trash.forget_if_empty(bin_)
        failed = [each for each in self.job.results if each.status is State.FAILED]
        left_out = sum(each.left_out_count for each in self.job.results)
        error = f"{left_out} files of the archive were left out." if left_out else ""
        error = f"{len(failed)} of {len(self.job.results)} failed." if failed else error
        self._note(state=Phase.FAILED if failed else Phase.DONE, error=error)

    def _size(self) -> int:
        """Bytes to write, as far as they are known before; of a zip its own."""
        if not self._writes or self.job.results:
            return self.job.total
        return sum(measure(step.source).size for step in self.job.errand.steps)

    def _step(self, step: Step) -> Result:
        errand = self.job.errand
        work = Work(self.job.id, errand.conflict, self._advance, self._told, self._mark)
        if errand.verb is Verb.EXTRACT:
            return extract.take_step(step, work, self._rules)
        return self._shape(step, take_step(step, errand.verb is not Verb.COPY, work))

    def _again(self, step: Step) -> Result | None:
        """What became of a step that was under way when the process died; None: do it now."""
        mark = self.job.mark
        discard(work_place(step.folder.root, self.job.id))
        name = _named(step.folder, mark) if mark is not None else None
        if mark is None or name is None or _identity(step.source) == mark:
            return None  # what is found has its old name still
        if self.job.errand.verb not in (Verb.COPY, Verb.EXTRACT):
            _remove_original(step.source)
        place = replace(step, name=name).target
        self._told(Happening(What.CREATED, place))
        told = FORGOTTEN if self.job.errand.verb is Verb.EXTRACT else ""
        done = Result(f"/{step.source.text}", f"/{place.text}", State.DONE, told)
        return self._shape(step, done)

    def _shape(self, step: Step, result: Result) -> Result:
        """Nobody asks by the trash's own paths."""
        if self.job.errand.verb is Verb.DELETE:
            return replace(result, to=None)
        if self.job.errand.verb is Verb.RESTORE:
            return replace(result, path=f"/{step.target.text}")
        return result

    def _told(self, happening: Happening) -> None:
        verb, place, previous = self.job.errand.verb, happening.place, happening.previous
        if verb is Verb.DELETE and previous is not None:
            happening = Happening(What.DELETED, previous)
        elif verb is Verb.RESTORE:
            happening = Happening(What.CREATED, place)
        self._tell(happening)

    def _mark(self, mark: Mark) -> None:
        self._note(mark=mark)

    def _advance(self, count: int) -> None:
        self._check()
        self._room.take(count)
        self.job = replace(self.job, done=self.job.done + count)
        if time.monotonic() - self._shown > SHOWN_SECONDS:
            self._shown = time.monotonic()
            self._save()

    def _check(self) -> None:
        if self.cancelled.is_set() or self._ending.is_set():
            raise _Stopped

    def _note(self, **changes: object) -> None:
        self.job = replace(self.job, **changes)  # type: ignore[arg-type]
        self._save()

    def _save(self) -> None:
        """Write down how the job stands; on a full disk the older word stays, and it goes on."""
        try:
            self._store.save(self.job)
        except sqlite3.Error as error:
            if not is_full(error):
                raise
            log.warning("How the job %s stands is not written down: %s", self.job.id, error)


def _named(folder: Place, mark: Mark) -> str | None:
    """The name under which what was marked lies in a folder."""
    opened = open_folder(folder)
    try:
        with os.scandir(opened) as entries:
            for entry in entries:
                facts = entry.stat(follow_symlinks=False)
                if (facts.st_dev, facts.st_ino) == mark:
                    return entry.name
    finally:
        os.close(opened)
    return None


def _identity(place: Place) -> Mark | None:
    """Device and inode of what lies at a place; None for nothing."""
    try:
        with holder_of(place) as (holder, name):
            return identity(holder, name)
    except (NotHere, FileNotFoundError):
        return None


def _remove_original(source: Place) -> None:
    """What a move across disks had copied whole, and not removed yet."""
    try:
        with parent_of(source) as (holder, name):
            remove(holder, name)
    except NotHere:
        return
