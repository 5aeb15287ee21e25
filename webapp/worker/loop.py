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

from generator.errors import GeneratorError
from generator.hires.hires_size import second_pass_size
from generator.hooks import NullListener, Watch
from generator.interrogation.requests import InterrogationRequest
from generator.job.output_filter import OutputFilter
from generator.reasons import logged_cause
from generator.request import (
    Extras,
    ExtrasRequest,
    Generation,
    GenerationRequest,
    Progress,
    Snapshot,
    Stop,
)
from generator.run_timer import call_after
from plugins.engine_listener import PluginListener
from plugins.host import Choice, Host
from webapp.errors import error_answer, json_answer, status_of
from webapp.logs import bind_for_block
from webapp.memory_errors import find_memory_error
from webapp.plugins.plugin_jobs import PROGRESS_STEPS, count_hook_seconds, plugin_states, run_task
from webapp.queues import frames
from webapp.queues.contracts import LOAD, PLUGINS, UNLOAD, Answer, Board, Lease, Stream, WorkerState
from webapp.queues.errors import QueueError
from webapp.queues.folder_watch import QueueWatch
from webapp.queues.worker_id import WorkerId
from webapp.requests.eas import EasStatus
from webapp.requests.save_options import estimate_bytes
from webapp.worker.detection import detect_maps
from webapp.worker.embedding_jobs import EmbeddingEngine, create_embedding, train_embedding
from webapp.worker.expected_pace import ExpectedPace
from webapp.worker.extras_responses import compose_extras
from webapp.worker.image_writer import check_free_space, save_all
from webapp.worker.lease_keeper import Abandoned, LeaseKeeper, LeaseLost
from webapp.worker.responses import compose_answer, compose_failure
from webapp.worker.save_journal import SaveJournal, delete_old_journals
from webapp.worker.warm_up import warm_up_request

STATE_FOLDER = ".easel"  # in the data directory
IDLE_WAIT_SECONDS = 0.5  # seconds a worker waits for work before it looks at its signals
HEARTBEAT_SECONDS = 2.0
SIGTERM_GRACE = 30.0  # seconds for the running job after the first SIGTERM
FORCED_EXIT_GRACE = 2.0  # ... after the second, or after the grace for a step that does not end
SAME_SIGNAL_SECONDS = (
    1.0  # a terminal's Ctrl-C reaches the worker twice: directly and by the supervisor
)
REQUEST_TAG = "request"  # of a frame: the id of the request it came by
MODELS_TAG = "models"  # of a frame: which models its caller was told of
DRAWN_WITH_CHECKPOINT = frozenset({frames.GENERATE, frames.TRAIN_EMBEDDING})
RETRY_PAUSES = (0.2, 1.0, 5.0)  # seconds before the store is tried again; the last for ever


class WorkerEngine(EmbeddingEngine, Protocol):
    """The part of the engine that the worker uses; tests pass their own."""

    @property
    def loaded_checkpoints(self) -> tuple[str, ...]: ...

    def run(self, request: GenerationRequest, watch: Watch) -> Generation: ...

    def enlarge(self, request: ExtrasRequest) -> Extras: ...

    def interrogate(self, request: InterrogationRequest) -> str: ...

    def unload(self) -> None: ...


class UnknownWork(GeneratorError):
    """A frame of a kind that this worker has no verb for."""


class Worker:
    """The loop of one device. ``warm_up`` is drawn once when there is nothing to do."""

    def __init__(
        self,
        name: WorkerId,
        stream: Stream,
        board: Board,
        engine: WorkerEngine,
        data_dir: Path,
        *,
        warm_up: GenerationRequest | None = None,
        measure: Callable[[], Mapping[str, int]] | None = None,
        grace: float = SIGTERM_GRACE,
        log: logging.Logger | None = None,
        plugins: Host | None = None,
        choice: Callable[[], Choice] = Choice,
        time_log: bool = False,
        pause: Callable[[float], object] | None = None,
        pace: ExpectedPace | None = None,
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
        self.measure = measure or process_memory
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
        self.pace = pace or ExpectedPace(None, 0)
        self.catch_up = catch_up
        self.exit_code = 0
        self._signalled_at = 0.0

    def run(self) -> int:
        """Work until told to stop; the exit code."""
        heartbeat = HeartbeatThread(self)
        heartbeat.start()
        try:
            self.try_until_done(
                lambda: delete_old_journals(self.data_dir / STATE_FOLDER), once=True
            )
            while not self.draining.is_set():
                self.try_until_done(self.run_once)
        finally:
            heartbeat.stop()
            if self.plugins:
                self.plugins.stop()
        return self.exit_code

    def run_once(self) -> None:
        """Carry out the pending command and run one job, if there are any."""
        self.pace.rest()
        self.run_command()
        lease = self.stream.take(self.name, self.engine.loaded_checkpoints, self._take_timeout())
        if lease is not None:
            self.serve(lease)
        elif self.warm_up is not None:
            self.load_ahead()

    def try_until_done(self, act: Callable[[], None], *, once: bool = False) -> None:
        """Do something with the store; where it cannot be used, wait and try again.

        A full disk is no reason to die: the next worker would find the same.
        """
        for seconds in endless_pauses(RETRY_PAUSES):
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

    def run_command(self) -> None:
        """Do what every worker was asked to, between two jobs."""
        command = self.board.pending_command(self.name)
        if command is None:
            return
        if command.verb == UNLOAD:
            self.warm_up = None
            self.engine.unload()
            self.log.info("the weights were dropped")
        elif command.verb == LOAD:
            self.warm_up = warm_up_request(command.checkpoint)
            self.load_ahead()
        elif command.verb == PLUGINS and self.plugins:
            self.pace.begin(stepped=False)
            self.plugins.load(self.choice())
            self.board.publish_plugin_states(self.name, plugin_states(self.plugins))
            self.log.info("the plugins were loaded anew")
        self.board.complete_command(self.name, command)

    def _take_timeout(self) -> float:
        """Seconds to wait for a job: none while a warm-up is pending."""
        return 0.0 if self.warm_up is not None else IDLE_WAIT_SECONDS

    def serve(self, lease: Lease) -> None:
        """Draw and answer one frame, or give it back."""
        frame = lease.frame
        with bind_for_block(
            request=frame.tags.get(REQUEST_TAG, ""), job=frame.id, user=frame.owner
        ):
            self.serve_logged(lease)

    def serve_logged(self, lease: Lease) -> None:
        """Serve the frame; every log line carries the job's id."""
        self.state, self.lease = "working", lease
        waited, started = time.time() - lease.frame.put_at, time.monotonic()
        held_before = self.engine.loaded_checkpoints
        self.pace.begin(stepped=lease.frame.kind in DRAWN_WITH_CHECKPOINT)
        try:
            answer = self.answer_frame(lease)
            seconds = time.monotonic() - started
            status = self.store_answer(lease, answer, seconds)
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
        return next(iter(self.engine.loaded_checkpoints), lease.frame.checkpoint)

    def count_cache(self, lease: Lease, before: Sequence[str]) -> None:
        """Count whether the job's checkpoint was in memory when the job came."""
        model = self.model_of(lease)
        if not model:
            return
        facts = {"cache": "checkpoint", "result": "hit" if model in before else "miss"}
        try:
            self.board.add_to_counter("cache_requests", facts)
        except (QueueError, sqlite3.Error) as error:
            self.log.warning("a use of the cache was not counted: %s", error)

    def answer_frame(self, lease: Lease) -> Answer:
        """The answer to a frame: the handler's, or the error envelope of what went wrong."""
        started = time.monotonic()
        try:
            return self.handle(lease)
        except (LeaseLost, Abandoned):
            raise
        except Exception as error:  # the worker's border: whatever happens is an answer
            self.log_failure(lease, error)
            self.notify_job_failed(lease, error)
            self.recover(error)
            return compose_failure(
                error, extras_of(lease), EasStatus.FAILED, time.monotonic() - started
            )

    def handle(self, lease: Lease) -> Answer:
        """Call the handler of the frame's kind. Raises ``UnknownWork``."""
        handlers = {
            frames.GENERATE: self.generate,
            frames.EXTRAS: self.enlarge,
            frames.DETECT: self.detect_maps,
            frames.CREATE_EMBEDDING: self.create_embedding,
            frames.TRAIN_EMBEDDING: self.train_embedding,
            frames.INTERROGATE: self.interrogate,
            frames.PLUGIN: self.run_plugin_task,
        }
        handler = handlers.get(lease.frame.kind)
        if handler is None:
            raise UnknownWork(
                f"This worker cannot do {lease.frame.kind!r}; it knows {', '.join(handlers)}."
            )
        self.catch_up(lease.frame.tags.get(MODELS_TAG, ""))
        return handler(lease)

    def notify_job_failed(self, lease: Lease, error: Exception) -> None:
        """Call the plugins' ``job_failed`` hook, if the failed request can be decoded."""
        if not self.plugins or lease.frame.kind != frames.GENERATE:
            return
        with suppress(ValidationError):  # that is what failed, and it has been logged
            request = frames.decode_job(lease.frame.body).request
            self.plugins.ask("job_failed", error=error, request=request)

    def enlarge(self, lease: Lease) -> Answer:
        """Run an extras job (upscaling) on pictures sent in the request."""
        job = frames.EXTRAS_REQUESTS.validate_json(lease.frame.body)
        with self.keep_lease(lease, Snapshot()) as lease_keeper:
            lease_keeper(Progress("extras", 0, 1, 0, 1), None)
            extras = self.engine.enlarge(job.request)
            if lease_keeper.is_lost:
                raise LeaseLost
        return compose_extras(job, extras)

    def detect_maps(self, lease: Lease) -> Answer:
        """Draw ControlNet's maps of pictures."""
        job = frames.DETECTIONS.validate_json(lease.frame.body)
        with self.keep_lease(lease, Snapshot()) as lease_keeper:
            lease_keeper(Progress("detect", 0, 1, 0, 1), None)
            return detect_maps(job, self.make_output_filter(job.user_name))

    def interrogate(self, lease: Lease) -> Answer:
        """Describe a picture."""
        request = frames.INTERROGATIONS.validate_json(lease.frame.body)
        with self.keep_lease(lease, Snapshot()) as lease_keeper:
            lease_keeper(Progress("interrogate", 0, 1, 0, 1), None)
            return json_answer(200, {"caption": self.engine.interrogate(request)})

    def make_output_filter(self, caller: str) -> OutputFilter:
        """The filter for pictures that the engine does not pass through plugins itself."""
        return OutputFilter(
            PluginListener(self.plugins) if self.plugins else NullListener(), caller
        )

    def run_plugin_task(self, lease: Lease) -> Answer:
        """What a plugin makes of its own task."""
        task = frames.PLUGIN_TASKS.validate_json(lease.frame.body)
        with self.keep_lease(lease, Snapshot()) as lease_keeper:
            lease_keeper(Progress(task.plugin, 0, 1, 0, PROGRESS_STEPS), None)
            return run_task(self.plugins, task, lease_keeper)

    def create_embedding(self, lease: Lease) -> Answer:
        """Create a textual-inversion embedding."""
        embedding = frames.NEW_EMBEDDINGS.validate_json(lease.frame.body)
        with self.keep_lease(lease, Snapshot()) as lease_keeper:
            lease_keeper(Progress("create-embedding", 0, 1, 0, 1), None)
            return create_embedding(self.engine, embedding)

    def train_embedding(self, lease: Lease) -> Answer:
        """Train a textual-inversion embedding."""
        job = frames.TRAININGS.validate_json(lease.frame.body)
        with self.keep_lease(lease, Snapshot()) as lease_keeper:
            return train_embedding(self.engine, job, self.data_dir, lease_keeper)

    def keep_lease(self, lease: Lease, options: Snapshot) -> LeaseKeeper:
        """A context that keeps the lease alive, publishes progress and checks for stop requests."""
        step = self.pace.step
        return LeaseKeeper(self.stream, self.board, lease, options, self.log, self.abandoned, step)

    def generate(self, lease: Lease) -> Answer:
        """Decode, draw, save, compose."""
        job = frames.decode_job(lease.frame.body)
        self.warm_up = None  # this job warms better
        with self.keep_lease(lease, job.request.options) as lease_keeper:
            if job.save:
                check_free_space(job, self.data_dir, estimate_bytes(job.request))
            self.pace.begin(batch_megapixels(job.request))
            generation = self.engine.run(job.request, lease_keeper)
            self.pace.finish()
            if lease_keeper.is_lost:
                raise LeaseLost
            journal = SaveJournal.for_job(self.data_dir / STATE_FOLDER, lease.frame.id)
            output_filter = self.make_output_filter(job.request.user_name)
            saved = save_all(job, generation, self.data_dir, datetime.now(), journal, output_filter)
            generation = replace(generation, facts=output_filter.merge_facts(generation.facts))
            if self.plugins:
                self.plugins.ask("after_save", paths=saved.paths, request=job.request)
            return compose_answer(job, generation, saved, skipped=lease_keeper.skipped)

    def log_failure(self, lease: Lease, error: Exception) -> None:
        """Log a failed job by its id: a sentence for what was foreseen, a traceback for a bug."""
        status = status_of(error)
        if status == 500 and not isinstance(error, GeneratorError):
            self.log.error("job %s: failed", lease.frame.id, exc_info=error)
        else:
            cause = logged_cause(error)
            self.log.warning("job %s: %d %s%s", lease.frame.id, status, error, cause)

    def recover(self, error: Exception) -> None:
        """Make room after the memory ran out, so that a smaller job can follow."""
        if find_memory_error(error):
            traceback.clear_frames(error.__traceback__)  # they hold what the job was made of
            self.engine.unload()
        elif is_device_lost(error):
            self.log.error("The device takes no more work; the worker ends, to be started anew.")
            self.exit_code = os.EX_SOFTWARE
            self.draining.set()

    def store_answer(self, lease: Lease, answer: Answer, seconds: float) -> int:
        """Hand the answer over; on a full or locked disk say just that, and try until it is stored.

        The caller waits for it. Returns the status that was stored; raises ``LeaseLost``, or
        ``Abandoned`` if the worker is told to end before.
        """
        for pause in endless_pauses(RETRY_PAUSES):
            try:
                if not self.stream.answer(lease, answer, seconds, self.model_of(lease)):
                    raise LeaseLost
                break
            except (QueueError, sqlite3.Error) as error:
                self.log.error("job %s: the answer was not stored: %s", lease.frame.id, error)
                answer = error_answer(error)  # a short text may still fit where pictures did not
            if self.draining.is_set():
                raise Abandoned  # it is drawn again after the next start
            self.pace.rest()
            self.pause(pause)
            self.renew_lease(lease)
        try:
            SaveJournal.for_job(self.data_dir / STATE_FOLDER, lease.frame.id).delete()
        except OSError as error:
            self.log.warning("job %s: its receipt stays for a day: %s", lease.frame.id, error)
        return answer.status

    def renew_lease(self, lease: Lease) -> None:
        """Renew a lease where the disk lets us. Raises ``LeaseLost``."""
        try:
            if not self.stream.renew(lease):
                raise LeaseLost
        except (QueueError, sqlite3.Error) as error:
            self.log.warning("job %s: its lease was not renewed: %s", lease.frame.id, error)

    def load_ahead(self) -> None:
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
        loaded = ", ".join(self.engine.loaded_checkpoints)
        self.log.info("%s is in memory after %.1f s", loaded, time.monotonic() - started)

    def _watch_warm_up(self, progress: object, preview: object) -> Stop:
        self.pace.step()
        if self.draining.is_set():
            raise Abandoned
        return Stop.NO

    # -- signals ------------------------------------------------------------------------------

    def listen_to_signals(self) -> None:
        """SIGTERM or SIGINT: finish the running job within the grace. Again: give it back now."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.draining.is_set():
            self._signalled_at = now
            self.draining.set()
            call_after(self.grace if self.lease else 0.0, self.abandon)
        elif now - self._signalled_at > SAME_SIGNAL_SECONDS:
            call_after(0.0, self.abandon)

    def leave_lost_queue(self, why: str) -> None:
        """End, to be started anew with the queue that others use now."""
        self.log.error("%s The worker ends, to be started anew.", why)
        self.exit_code = os.EX_TEMPFAIL
        self.draining.set()
        self.abandon()

    def abandon(self) -> None:
        """Give the job back at its next step, or by force if that does not come."""
        self.abandoned.set()
        call_after(FORCED_EXIT_GRACE, self._exit)

    def _exit(self) -> None:
        lease = self.lease
        if lease is not None:
            self.release(lease)
        os._exit(self.exit_code)


class HeartbeatThread(threading.Thread):
    """Thread that publishes the heartbeat and plugin states, and checks the queue's folder."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(name="pulse", daemon=True)
        self.worker = worker
        self._stopped = threading.Event()
        self._published_plugins: Mapping[str, object] | None = None  # as they were shown last
        self.queue_watch = QueueWatch(worker.stream)
        self._beaten_at = 0.0
        self._last_facts: object = None  # the state at the last beat

    def run(self) -> None:
        """Beat every two seconds, and at once when the state has changed.

        Nothing ends the thread: without it the worker seems dead, and a lost queue goes unnoticed.
        """
        while not self._stopped.wait(0.1):
            try:
                self._publish_plugin_states()
                if self._is_due() and (why := self._beat()):
                    self.worker.leave_lost_queue(why)
                    return
            except (sqlite3.Error, QueueError) as error:
                self.worker.log.warning("no heartbeat: %s", error)
            except Exception:
                self.worker.log.exception("no heartbeat")

    def _is_due(self) -> bool:
        worker = self.worker
        facts = (
            worker.state,
            worker.lease,
            worker.engine.loaded_checkpoints,
            worker.draining.is_set(),
        )
        if facts == self._last_facts and time.monotonic() - self._beaten_at < HEARTBEAT_SECONDS:
            return False
        self._beaten_at, self._last_facts = time.monotonic(), facts
        return True

    def _beat(self) -> str:
        """Say that the worker lives; why the queue is lost where it is."""
        if why := self.queue_watch.check():
            return why
        self.worker.board.record_heartbeat(self.current_state())
        if self.worker.plugins:
            count_hook_seconds(self.worker.board, self.worker.plugins)
        return ""

    def _publish_plugin_states(self) -> None:
        """Tell how the plugins stand when that has changed."""
        host = self.worker.plugins
        now = plugin_states(host) if host else None
        if now is None or now == self._published_plugins:
            return
        try:
            self.worker.board.publish_plugin_states(self.worker.name, now)
            self._published_plugins = now
        except (sqlite3.Error, QueueError) as error:
            self.worker.log.warning("the plugins are not shown: %s", error)

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self.join()

    def current_state(self) -> WorkerState:
        """What the worker does at this moment."""
        worker = self.worker
        lease, draining = worker.lease, worker.draining.is_set()
        return WorkerState(
            id=worker.name,
            state="draining" if draining else worker.state,
            checkpoint=next(iter(worker.engine.loaded_checkpoints), ""),
            job=lease.frame.id if lease else "",
            seen_at=time.time(),
            memory=worker.measure(),
        )


def endless_pauses(pauses: Sequence[float]) -> Iterator[float]:
    """The pauses in turn, and then the last one for ever."""
    return chain(pauses, repeat(pauses[-1]))


def batch_megapixels(request: GenerationRequest) -> float:
    """The size of a batch at the largest that it is drawn."""
    width, height = request.width, request.height
    if request.hires is not None:
        larger = second_pass_size(request.hires, width, height)
        width, height = larger.width, larger.height
    return request.batch_size * width * height / 1e6


def is_device_lost(error: BaseException) -> bool:
    """True for an error of CUDA after which every call fails, until the process is a new one."""
    text = str(error)
    return "CUDA error" in text or "CUBLAS_STATUS_EXECUTION_FAILED" in text


def extras_of(lease: Lease) -> frames.EasExtras | None:
    """The vendor's extras of a frame; None where it has none, or cannot be read."""
    if lease.frame.kind != frames.GENERATE:
        return None
    try:
        return frames.decode_job(lease.frame.body).extras
    except ValidationError:
        return None


def process_memory() -> Mapping[str, int]:
    """Resident memory of this process in bytes, as ``{"rss": bytes}``."""
    with open("/proc/self/statm") as file:
        return {"rss": int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")}
