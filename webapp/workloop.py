"""The job loop of a worker: take a job, run it, save its pictures, answer. Imports no torch."""

import logging
import os
import signal
import sqlite3
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from itertools import chain, repeat
from pathlib import Path
from types import FrameType
from typing import Protocol

from pydantic import ValidationError

from generator.describing.questions import Question
from generator.errors import GeneratorError
from generator.hires_size import target
from generator.hooks import Silence, Watch
from generator.patience import after
from generator.reasons import logged_cause
from generator.releasing import Releaser
from generator.request import (
    Extras,
    ExtrasRequest,
    Generation,
    GenerationRequest,
    Progress,
    Snapshot,
    Stop,
)
from plugins.host import Choice, Host
from plugins.listening import PluginListener
from webapp.answers import compose, failure
from webapp.detecting import detected
from webapp.eas import Status
from webapp.errors import envelope, json_answer, status_of
from webapp.extras_answers import compose_extras
from webapp.learning import Teacher, made, trained
from webapp.logs import about
from webapp.memory_errors import memory_error
from webapp.pace_of_work import PaceOfWork
from webapp.plugin_tasks import SHARES, count_spent, outcome, shown
from webapp.queue_watch import QueueWatch
from webapp.queues import frames
from webapp.queues.contracts import LOAD, PLUGINS, UNLOAD, Answer, Board, Lease, Stream, WorkerState
from webapp.queues.errors import QueueError
from webapp.receipts import Receipt, forget_old
from webapp.requests.saving import room_for
from webapp.saving import check_spare, save_all
from webapp.vigil import Abandoned, LeaseLost, Vigil
from webapp.warming import first_job

EASEL = ".easel"  # in the data directory
IDLE = 0.5  # seconds a worker waits for work before it looks at its signals
HEARTBEAT = 2.0
GRACE = 30.0  # seconds for the running job after the first SIGTERM
HARD_GRACE = 2.0  # ... after the second, or after the grace for a step that does not end
SAME_SIGNAL = 1.0  # a terminal's Ctrl-C reaches the worker twice: directly and by the supervisor
REQUEST_TAG = "request"  # of a frame: the id of the request it came by
MODELS_TAG = "models"  # of a frame: which models its caller was told of
DRAWN_WITH_CHECKPOINT = frozenset({frames.GENERATE, frames.TRAIN_WORD})
RETRIES = (0.2, 1.0, 5.0)  # seconds before the store is tried again; the last for ever


class Drawer(Teacher, Protocol):
    """The part of the engine that the worker uses; tests pass their own."""

    @property
    def loaded(self) -> tuple[str, ...]: ...

    def run(self, request: GenerationRequest, watch: Watch) -> Generation: ...

    def enlarge(self, request: ExtrasRequest) -> Extras: ...

    def describe(self, question: Question) -> str: ...

    def unload(self) -> None: ...


class UnknownWork(GeneratorError):
    """A frame of a kind that this worker has no verb for."""


class Worker:
    """The loop of one device. ``warm_up`` is drawn once when there is nothing to do."""

    def __init__(
        self,
        name: str,
        stream: Stream,
        board: Board,
        engine: Drawer,
        data_dir: Path,
        *,
        warm_up: GenerationRequest | None = None,
        measure: Callable[[], Mapping[str, int]] | None = None,
        grace: float = GRACE,
        log: logging.Logger | None = None,
        plugins: Host | None = None,
        choice: Callable[[], Choice] = Choice,
        time_log: bool = False,
        pause: Callable[[float], object] | None = None,
        pace: PaceOfWork | None = None,
        catch_up: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``pause`` waits for so many seconds, or less when the worker is told to end.

        ``catch_up`` looks at the models again where those of that version are not known here.
        """
        self.name = name
        self.stream = stream
        self.board = board
        self.engine = engine
        self.data_dir = data_dir
        self.warm_up = warm_up
        self.measure = measure or held
        self.grace = grace
        self.log = log or logging.getLogger("easel.worker")
        self.plugins = plugins
        self.choice = choice
        self.time_log = time_log
        self.state = "idle"
        self.lease: Lease | None = None
        self.draining = threading.Event()
        self.abandoned = threading.Event()
        self.pause = pause or self.draining.wait
        self.pace = pace or PaceOfWork(None, 0)
        self.catch_up = catch_up
        self.exit_code = 0
        self._signalled_at = 0.0

    def run(self) -> int:
        """Work until told to stop; the exit code."""
        pulse = Pulse(self)
        pulse.start()
        try:
            self.try_until_done(lambda: forget_old(self.data_dir / EASEL), once=True)
            while not self.draining.is_set():
                self.try_until_done(self.turn)
        finally:
            pulse.stop()
            if self.plugins:
                self.plugins.stop()
        return self.exit_code

    def turn(self) -> None:
        """Carry out the pending command and run one job, if there are any."""
        self.pace.rest()
        self.run_errand()
        lease = self.stream.take(self.name, self.engine.loaded, self._patience())
        if lease is not None:
            self.serve(lease)
        elif self.warm_up is not None:
            self.warm()

    def try_until_done(self, act: Callable[[], None], *, once: bool = False) -> None:
        """Do something with the store; where it cannot be used, wait and try again.

        A full disk is no reason to die: the next worker would find the same.
        """
        for seconds in endless(RETRIES):
            try:
                act()
                return
            except (QueueError, sqlite3.Error, OSError) as error:
                self.log.error("the queue cannot be used now: %s", error)
            except Exception:  # a bug: the next worker would meet it as well
                self.log.exception("a turn of the worker failed")
            if once or self.draining.is_set():
                return
            self.pace.rest()
            self.pause(seconds)

    def run_errand(self) -> None:
        """Do what every worker was asked to, between two jobs."""
        errand = self.board.errand(self.name)
        if errand is None:
            return
        if errand.verb == UNLOAD:
            self.warm_up = None
            self.engine.unload()
            self.log.info("the weights were dropped")
        elif errand.verb == LOAD:
            self.warm_up = first_job(errand.checkpoint)
            self.warm()
        elif errand.verb == PLUGINS and self.plugins:
            self.pace.begin(stepped=False)
            self.plugins.load(self.choice())
            self.board.show_plugins(self.name, shown(self.plugins))
            self.log.info("the plugins were loaded anew")
        self.board.done(self.name, errand)

    def _patience(self) -> float:
        """Seconds to wait for a job: none while a warm-up is pending."""
        return 0.0 if self.warm_up is not None else IDLE

    def serve(self, lease: Lease) -> None:
        """Draw and answer one frame, or give it back."""
        frame = lease.frame
        with about(request=frame.tags.get(REQUEST_TAG, ""), job=frame.id, user=frame.owner):
            self.serve_named(lease)

    def serve_named(self, lease: Lease) -> None:
        """Serve the frame; every log line carries the job's id."""
        self.state, self.lease = "working", lease
        waited, started = time.time() - lease.frame.put_at, time.monotonic()
        held_before = self.engine.loaded
        self.pace.begin(stepped=lease.frame.kind in DRAWN_WITH_CHECKPOINT)
        try:
            answer = self.answered(lease)
            seconds = time.monotonic() - started
            status = self.store(lease, answer, seconds)
            self.log.info("job %s: %d in %.2f s", lease.frame.id, status, seconds)
            self.log_times(lease, waited, seconds, time.monotonic() - started - seconds)
            self.count_cache(lease, held_before)
        except LeaseLost:
            self.log.warning("job %s: the lease was lost; another has it", lease.frame.id)
        except Abandoned:
            self.log.info("job %s: given back", lease.frame.id)
            self.release(lease)
        finally:
            self.state, self.lease = "idle", None

    def release(self, lease: Lease) -> None:
        """Give a job back; where that cannot be stored, its lease runs out."""
        try:
            self.stream.release(lease)
        except (QueueError, sqlite3.Error) as error:
            self.log.error("job %s: not given back, its lease runs out: %s", lease.frame.id, error)

    def log_times(self, lease: Lease, waited: float, worked: float, stored: float) -> None:
        """``--time-log``: where a job's time went, in seconds."""
        if self.time_log:
            self.log.info(
                "job %s: waited %.3f s, worked %.3f s, stored the answer in %.3f s",
                lease.frame.id, max(waited, 0.0), worked, stored,
            )  # fmt: skip

    def model_of(self, lease: Lease) -> str:
        """The title of what a job was drawn with; "" for what takes no checkpoint."""
        if lease.frame.kind not in DRAWN_WITH_CHECKPOINT:
            return ""
        return next(iter(self.engine.loaded), lease.frame.checkpoint)

    def count_cache(self, lease: Lease, before: Sequence[str]) -> None:
        """Count whether the job's checkpoint was in memory when the job came."""
        model = self.model_of(lease)
        if not model:
            return
        facts = {"cache": "checkpoint", "result": "hit" if model in before else "miss"}
        try:
            self.board.count("cache_requests", facts)
        except (QueueError, sqlite3.Error) as error:
            self.log.warning("a use of the cache was not counted: %s", error)

    def answered(self, lease: Lease) -> Answer:
        """The answer to a frame: the handler's, or the error envelope of what went wrong."""
        started = time.monotonic()
        try:
            return self.done(lease)
        except (LeaseLost, Abandoned):
            raise
        except Exception as error:  # the worker's border: whatever happens is an answer
            self.report(lease, error)
            self.tell_failure(lease, error)
            self.recover(error)
            return failure(error, extras_of(lease), Status.FAILED, time.monotonic() - started)

    def done(self, lease: Lease) -> Answer:
        """Call the handler of the frame's kind. Raises ``UnknownWork``."""
        verbs = {
            frames.GENERATE: self.drawn,
            frames.EXTRAS: self.enlarged,
            frames.DETECT: self.mapped,
            frames.MAKE_WORD: self.worded,
            frames.TRAIN_WORD: self.taught,
            frames.DESCRIBE: self.told,
            frames.PLUGIN: self.plugged,
        }
        verb = verbs.get(lease.frame.kind)
        if verb is None:
            raise UnknownWork(
                f"This worker cannot do {lease.frame.kind!r}; it knows {', '.join(verbs)}."
            )
        self.catch_up(lease.frame.tags.get(MODELS_TAG, ""))
        return verb(lease)

    def tell_failure(self, lease: Lease, error: Exception) -> None:
        """Call the plugins' ``job_failed`` hook, if the failed request can be decoded."""
        if not self.plugins or lease.frame.kind != frames.GENERATE:
            return
        with suppress(ValidationError):  # that is what failed, and it has been logged
            request = frames.decode(lease.frame.body).request
            self.plugins.ask("job_failed", error=error, request=request)

    def enlarged(self, lease: Lease) -> Answer:
        """Run an extras job (upscaling) on pictures sent in the request."""
        job = frames.EXTRAS_JOBS.validate_json(lease.frame.body)
        with self.vigil(lease, Snapshot()) as vigil:
            vigil(Progress("extras", 0, 1, 0, 1), None)
            extras = self.engine.enlarge(job.request)
            if vigil.lost:
                raise LeaseLost
        return compose_extras(job, extras)

    def mapped(self, lease: Lease) -> Answer:
        """Draw ControlNet's maps of pictures."""
        job = frames.DETECTIONS.validate_json(lease.frame.body)
        with self.vigil(lease, Snapshot()) as vigil:
            vigil(Progress("detect", 0, 1, 0, 1), None)
            return detected(job, self.way_out(job.user_name))

    def told(self, lease: Lease) -> Answer:
        """Describe a picture."""
        question = frames.QUESTIONS.validate_json(lease.frame.body)
        with self.vigil(lease, Snapshot()) as vigil:
            vigil(Progress("interrogate", 0, 1, 0, 1), None)
            return json_answer(200, {"caption": self.engine.describe(question)})

    def way_out(self, caller: str) -> Releaser:
        """The filter for pictures that the engine does not pass through plugins itself."""
        return Releaser(PluginListener(self.plugins) if self.plugins else Silence(), caller)

    def plugged(self, lease: Lease) -> Answer:
        """What a plugin makes of its own task."""
        task = frames.PLUGIN_TASKS.validate_json(lease.frame.body)
        with self.vigil(lease, Snapshot()) as vigil:
            vigil(Progress(task.plugin, 0, 1, 0, SHARES), None)
            return outcome(self.plugins, task, vigil)

    def worded(self, lease: Lease) -> Answer:
        """Create a textual-inversion embedding."""
        word = frames.NEW_WORDS.validate_json(lease.frame.body)
        with self.vigil(lease, Snapshot()) as vigil:
            vigil(Progress("create-embedding", 0, 1, 0, 1), None)
            return made(self.engine, word)

    def taught(self, lease: Lease) -> Answer:
        """Train a textual-inversion embedding."""
        job = frames.TRAININGS.validate_json(lease.frame.body)
        with self.vigil(lease, Snapshot()) as vigil:
            return trained(self.engine, job, self.data_dir, vigil)

    def vigil(self, lease: Lease, options: Snapshot) -> Vigil:
        """A context that keeps the lease alive, publishes progress and checks for stop requests."""
        step = self.pace.step
        return Vigil(self.stream, self.board, lease, options, self.log, self.abandoned, step)

    def drawn(self, lease: Lease) -> Answer:
        """Decode, draw, save, compose."""
        job = frames.decode(lease.frame.body)
        self.warm_up = None  # this job warms better
        with self.vigil(lease, job.request.options) as vigil:
            if job.save:
                check_spare(job, self.data_dir, room_for(job.request))
            self.pace.begin(megapixels(job.request))
            generation = self.engine.run(job.request, vigil)
            self.pace.finish()
            if vigil.lost:
                raise LeaseLost
            receipt = Receipt.of(self.data_dir / EASEL, lease.frame.id)
            way_out = self.way_out(job.request.user_name)
            saved = save_all(job, generation, self.data_dir, datetime.now(), receipt, way_out)
            generation = replace(generation, facts=way_out.told_with(generation.facts))
            if self.plugins:
                self.plugins.ask("after_save", paths=saved.paths, request=job.request)
            return compose(job, generation, saved, skipped=vigil.skipped)

    def report(self, lease: Lease, error: Exception) -> None:
        """Log a failed job by its id: a sentence for what was foreseen, a traceback for a bug."""
        status = status_of(error)
        if status == 500 and not isinstance(error, GeneratorError):
            self.log.error("job %s: failed", lease.frame.id, exc_info=error)
        else:
            cause = logged_cause(error)
            self.log.warning("job %s: %d %s%s", lease.frame.id, status, error, cause)

    def recover(self, error: Exception) -> None:
        """Make room after the memory ran out, so that a smaller job can follow."""
        if memory_error(error):
            traceback.clear_frames(error.__traceback__)  # they hold what the job was made of
            self.engine.unload()
        elif device_is_lost(error):
            self.log.error("The device takes no more work; the worker ends, to be started anew.")
            self.exit_code = os.EX_SOFTWARE
            self.draining.set()

    def store(self, lease: Lease, answer: Answer, seconds: float) -> int:
        """Hand the answer over; on a full or locked disk say just that, and try until it is stored.

        The caller waits for it. Returns the status that was stored; raises ``LeaseLost``, or
        ``Abandoned`` if the worker is told to end before.
        """
        for pause in endless(RETRIES):
            try:
                if not self.stream.answer(lease, answer, seconds, self.model_of(lease)):
                    raise LeaseLost
                break
            except (QueueError, sqlite3.Error) as error:
                self.log.error("job %s: the answer was not stored: %s", lease.frame.id, error)
                answer = envelope(error)  # a short text may still fit where pictures did not
            if self.draining.is_set():
                raise Abandoned  # it is drawn again after the next start
            self.pace.rest()
            self.pause(pause)
            self.hold(lease)
        try:
            Receipt.of(self.data_dir / EASEL, lease.frame.id).drop()
        except OSError as error:
            self.log.warning("job %s: its receipt stays for a day: %s", lease.frame.id, error)
        return answer.status

    def hold(self, lease: Lease) -> None:
        """Renew a lease where the disk lets us. Raises ``LeaseLost``."""
        try:
            if not self.stream.renew(lease):
                raise LeaseLost
        except (QueueError, sqlite3.Error) as error:
            self.log.warning("job %s: its lease was not renewed: %s", lease.frame.id, error)

    def warm(self) -> None:
        """Load the checkpoint before anybody asks, so that the first picture is fast."""
        request, self.warm_up = self.warm_up, None
        if request is None:
            return
        started, self.state = time.monotonic(), "loading"
        self.pace.begin()
        try:
            self.engine.run(request, self._watch_warm_up)
        except Abandoned:
            return
        except GeneratorError as error:
            self.log.warning("no checkpoint was loaded ahead: %s", error)
            return
        except Exception as error:  # the worker's border: jobs may fare better
            self.log.exception("loading a checkpoint ahead failed")
            self.recover(error)
            return
        finally:
            self.state = "idle"
        loaded = ", ".join(self.engine.loaded)
        self.log.info("%s is in memory after %.1f s", loaded, time.monotonic() - started)

    def _watch_warm_up(self, progress: object, preview: object) -> Stop:
        self.pace.step()
        if self.draining.is_set():
            raise Abandoned
        return Stop.NO

    # -- signals ------------------------------------------------------------------------------

    def listen_to_signals(self) -> None:
        """SIGTERM or SIGINT: finish the running job within the grace. Again: give it back now."""
        signal.signal(signal.SIGTERM, self._told)
        signal.signal(signal.SIGINT, self._told)

    def _told(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.draining.is_set():
            self._signalled_at = now
            self.draining.set()
            after(self.grace if self.lease else 0.0, self.abandon)
        elif now - self._signalled_at > SAME_SIGNAL:
            after(0.0, self.abandon)

    def leave_lost(self, why: str) -> None:
        """End, to be started anew with the queue that others use now."""
        self.log.error("%s The worker ends, to be started anew.", why)
        self.exit_code = os.EX_TEMPFAIL
        self.draining.set()
        self.abandon()

    def abandon(self) -> None:
        """Give the job back at its next step, or by force if that does not come."""
        self.abandoned.set()
        after(HARD_GRACE, self._leave)

    def _leave(self) -> None:
        lease = self.lease
        if lease is not None:
            self.release(lease)
        os._exit(self.exit_code)


class Pulse(threading.Thread):
    """Thread that publishes the heartbeat and plugin states, and checks the queue's folder."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(name="pulse", daemon=True)
        self.worker = worker
        self._stopped = threading.Event()
        self._plugins: Mapping[str, object] | None = None  # as they were shown last
        self.watch = QueueWatch(worker.stream)
        self._beaten = 0.0
        self._told: object = None  # the state at the last beat

    def run(self) -> None:
        """Beat every two seconds, and at once when the state has changed.

        Nothing ends the thread: without it the worker seems dead, and a lost queue goes unnoticed.
        """
        while not self._stopped.wait(0.1):
            try:
                self._show_plugins()
                if self._is_due() and (why := self._beat()):
                    self.worker.leave_lost(why)
                    return
            except (sqlite3.Error, QueueError) as error:
                self.worker.log.warning("no heartbeat: %s", error)
            except Exception:
                self.worker.log.exception("no heartbeat")

    def _is_due(self) -> bool:
        worker = self.worker
        told = (worker.state, worker.lease, worker.engine.loaded, worker.draining.is_set())
        if told == self._told and time.monotonic() - self._beaten < HEARTBEAT:
            return False
        self._beaten, self._told = time.monotonic(), told
        return True

    def _beat(self) -> str:
        """Say that the worker lives; why the queue is lost where it is."""
        if why := self.watch.look():
            return why
        self.worker.board.heartbeat(self.now())
        if self.worker.plugins:
            count_spent(self.worker.board, self.worker.plugins)
        return ""

    def _show_plugins(self) -> None:
        """Tell how the plugins stand when that has changed."""
        host = self.worker.plugins
        now = shown(host) if host else None
        if now is None or now == self._plugins:
            return
        try:
            self.worker.board.show_plugins(self.worker.name, now)
            self._plugins = now
        except (sqlite3.Error, QueueError) as error:
            self.worker.log.warning("the plugins are not shown: %s", error)

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self.join()

    def now(self) -> WorkerState:
        """What the worker does at this moment."""
        worker = self.worker
        lease, draining = worker.lease, worker.draining.is_set()
        return WorkerState(
            worker=worker.name,
            pid=os.getpid(),
            state="draining" if draining else worker.state,
            checkpoint=next(iter(worker.engine.loaded), ""),
            job=lease.frame.id if lease else "",
            seen_at=time.time(),
            memory=worker.measure(),
        )


def endless(pauses: Sequence[float]) -> Iterator[float]:
    """The pauses in turn, and then the last one for ever."""
    return chain(pauses, repeat(pauses[-1]))


def megapixels(request: GenerationRequest) -> float:
    """The size of a batch at the largest that it is drawn."""
    width, height = request.width, request.height
    if request.hires is not None:
        larger = target(request.hires, width, height)
        width, height = larger.width, larger.height
    return request.batch_size * width * height / 1e6


def device_is_lost(error: BaseException) -> bool:
    """True for an error of CUDA after which every call fails, until the process is a new one."""
    text = str(error)
    return "CUDA error" in text or "CUBLAS_STATUS_EXECUTION_FAILED" in text


def extras_of(lease: Lease) -> frames.EasExtras | None:
    """The vendor's extras of a frame; None where it has none, or cannot be read."""
    if lease.frame.kind != frames.GENERATE:
        return None
    try:
        return frames.decode(lease.frame.body).extras
    except ValidationError:
        return None


def held() -> Mapping[str, int]:
    """Resident memory of this process in bytes, as ``{"rss": bytes}``."""
    with open("/proc/self/statm") as file:
        return {"rss": int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")}
