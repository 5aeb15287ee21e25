"""The job loop of a worker: take a job, run it, store its answer. Imports no torch."""

import logging
import os
import sqlite3
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path

from pydantic import ValidationError

from generator.data_folders import STATE_FOLDER
from generator.errors import GeneratorError
from generator.memory_errors import find_memory_error
from generator.models.machine_memory import trim_heap
from generator.reasons import logged_cause
from generator.request import (
    GenerationRequest,
    Snapshot,
    Stop,
)
from plugins.engine_listener import PluginListener
from plugins.host import Choice, Host
from webapp.errors import error_answer, status_of
from webapp.logs import bind_for_block
from webapp.plugins.plugin_jobs import plugin_states
from webapp.queues import job_codec
from webapp.queues.contracts.frame import Answer, Frame, Lease
from webapp.queues.contracts.heartbeats import WorkerState
from webapp.queues.contracts.queue_store import QueueStore
from webapp.queues.contracts.worker_commands import DRAIN, LOAD, PLUGINS, UNLOAD
from webapp.queues.drawn_pictures import DrawnPictures
from webapp.queues.errors import QueueError, StoreUnavailable
from webapp.queues.joint_jobs import JOIN_TAG, may_join
from webapp.queues.worker_id import WorkerId
from webapp.requests.eas import EasStatus
from webapp.version import VERSION
from webapp.worker.device_meter import BusyReport, DeviceMeter, DeviceShare
from webapp.worker.expected_pace import ExpectedPace, JobPace
from webapp.worker.heartbeat import HeartbeatThread, process_memory
from webapp.worker.job_handlers import (
    DRAWN_WITH_CHECKPOINT,
    JobHandlers,
    Turn,
    WorkerEngine,
)
from webapp.worker.joint_jobs import JointJobs
from webapp.worker.lease_keeper import Abandoned, LeaseKeeper, LeaseLost
from webapp.worker.picture_keeper import PictureKeeper
from webapp.worker.prefetcher import Prefetcher, ReadAhead
from webapp.worker.responses import compose_failure
from webapp.worker.save_journal import SaveJournal, delete_old_journals
from webapp.worker.shutdown import Shutdown
from webapp.worker.user_workspaces import UnknownUser, Workspace
from webapp.worker.warm_up import warm_up_request

IDLE_WAIT_SECONDS = 0.5  # seconds a worker waits for work before it looks at its signals
YIELD_SECONDS = 0.1  # ... for which what waits is left to a worker that has nothing to do
RETRY_PAUSES = (0.2, 1.0, 5.0)  # seconds before the store is tried again; the last for ever


def refuse_users(tree: str) -> Workspace[WorkerEngine]:
    """Raises ``UnknownUser``: a worker that was told of no users."""
    raise UnknownUser(f"This worker has no trees of users, and the job is for {tree!r}.")


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """What a worker is told of its surroundings.

    ``warm_up`` is drawn once when there is nothing to do. ``measure`` gives bytes of memory by
    name. ``catch_up`` looks at the models again where those of that version are not known here.
    ``find_workspace`` finds what a user's jobs are done with, by the name of the user's tree.
    ``shared_plugins``: users' jobs pass others' plugins than those that Easel ships, too.
    ``read_ahead`` brings a checkpoint from the disk near while a job runs. ``trim`` gives what jobs
    freed back to the system. ``joined``: no supervisor started it; ``reason_to_leave`` says why it
    no longer fits its service. ``max_joint_jobs`` are drawn side by side at most; in a ``turn``
    none of them computes.
    """

    data_dir: Path
    warm_up: GenerationRequest | None = None
    time_log: bool = False
    measure: Callable[[], Mapping[str, int]] = process_memory
    catch_up: Callable[[str], None] = lambda _: None
    find_workspace: Callable[[str], Workspace[WorkerEngine]] = refuse_users
    shared_plugins: bool = False
    read_ahead: ReadAhead | None = None
    trim: Callable[[], None] = trim_heap
    models_folder: str = ""
    joined: bool = False
    reason_to_leave: Callable[[], str] = lambda: ""
    max_joint_jobs: int = 1
    turn: Turn = nullcontext


@dataclass(frozen=True, slots=True)
class WorkerPlugins:
    """The worker's plugins, and which of them are chosen when they are loaded anew."""

    host: Host | None = None
    choice: Callable[[], Choice] = Choice


class Worker:
    """The lease loop of one device: commands, jobs, answers."""

    def __init__(
        self,
        worker_id: WorkerId,
        store: QueueStore,
        engine: WorkerEngine,
        settings: WorkerSettings,
        plugins: WorkerPlugins = WorkerPlugins(),
        pace: ExpectedPace | None = None,
        log: logging.Logger | None = None,
    ) -> None:
        self.id = worker_id
        self.store = store
        self.engine = engine
        self.settings = settings
        self.plugins = plugins
        self.pace = pace or ExpectedPace(None, 0)
        self.log = log or logging.getLogger("easel.worker")
        self.meter = DeviceMeter()
        self.busy_report = BusyReport(worker_id, self.meter, store.add_busy_time)
        self.warm_up = settings.warm_up
        self.state = "idle"
        self.leases: dict[str, Lease] = {}
        """Of the jobs that run, by their tokens."""
        self.paces: dict[str, JobPace] = {}
        self.joint_jobs = JointJobs(
            lambda lease: self.try_until_done(lambda: self.serve(lease), once=True)
        )
        self.is_untrimmed = False  # something was drawn since memory was given back
        self.drawn_pictures = DrawnPictures(settings.data_dir / STATE_FOLDER)
        self.shutdown = Shutdown(lambda: bool(self.leases), self.release_running)
        self.pause: Callable[[float], object] = self.shutdown.draining.wait
        """Waits for so many seconds, or less when the worker is told to end."""
        self.handlers = JobHandlers(
            engine,
            settings.data_dir,
            plugins.host,
            lambda lease: self.paces[lease.token],
            self.keep_lease,
            settings.turn,
        )

    def run(self) -> int:
        """Work until told to stop; the exit code."""
        heartbeat = HeartbeatThread(
            self.store,
            self.activity,
            self.current_state,
            self.plugins.host,
            self.leave_lost_queue,
            self.log,
            self.look_for_an_end,
        )
        heartbeat.start()
        prefetcher = self.start_prefetcher()
        try:
            self.try_until_done(
                lambda: delete_old_journals(self.settings.data_dir / STATE_FOLDER), once=True
            )
            while not self.shutdown.draining.is_set():
                self.try_until_done(self.run_once)
            self.joint_jobs.wait_for_all()
        finally:
            heartbeat.stop()
            if prefetcher:
                prefetcher.stop()
            if self.plugins.host:
                self.plugins.host.stop()
            self.leave_list()
        return self.shutdown.exit_code

    def leave_list(self) -> None:
        """Be shown no longer; whatever is still leased to this worker goes to the next."""
        try:
            self.busy_report.tell(at_once=True)
            self.store.release_worker(self.id, "ended")
        except (QueueError, sqlite3.Error) as error:
            self.log.warning("the worker is shown until its last heartbeat is old: %s", error)

    def look_for_an_end(self) -> None:
        """End after the running job where somebody asked for it, or the service is another now."""
        self.tell_busy()
        if self.shutdown.draining.is_set():
            return
        command = self.store.pending_command(self.id)
        if command is not None and command.verb == DRAIN:
            self.drain()
            self.store.complete_command(self.id, command)
        elif why := self.settings.reason_to_leave():
            self.log.error("%s The worker ends after its job.", why)
            self.shutdown.end_after_job(os.EX_TEMPFAIL)

    def drain(self) -> None:
        """Take no more jobs, and end when the running one is answered."""
        self.log.info("asked to drain: the worker ends after its job")
        self.shutdown.end_after_job(os.EX_OK)

    def start_prefetcher(self) -> Prefetcher | None:
        """Start reading checkpoints of waiting jobs ahead, where the settings tell how."""
        if self.settings.read_ahead is None:
            return None

        def loaded_while_working() -> Sequence[str] | None:
            return self.engine.loaded_checkpoints if self.leases else None

        prefetcher = Prefetcher(
            self.store, loaded_while_working, self.settings.read_ahead, self.log
        )
        prefetcher.start()
        return prefetcher

    def run_once(self) -> None:
        """Carry out the pending command and run one job, or start it, if there are any."""
        self.pace.rest()
        self.run_command()
        if self.shutdown.draining.is_set():
            return
        if self.joint_jobs.tag is None:
            self.take_first()
        else:
            self.take_beside(self.joint_jobs.tag)

    def take_first(self) -> None:
        """Run a job, or start one that others may join; where none waits, load ahead or trim."""
        lease = self.store.take(self.id, self.engine.loaded_checkpoints, self._take_timeout())
        if lease is None and self.warm_up is None:
            self.trim_once()
            return
        self.is_untrimmed = True
        if lease is None:
            self.load_ahead()
        elif self.may_run_beside_others(lease):
            self.joint_jobs.start(lease)
        else:
            self.serve(lease)

    def take_beside(self, running: str) -> None:
        """Start one more job beside those of this tag, or wait until one of them has ended."""
        if self.joint_jobs.count >= self.max_joint_jobs():
            self.joint_jobs.wait_for_end(IDLE_WAIT_SECONDS)
            return
        if self.is_another_idle():
            self.joint_jobs.wait_for_end(YIELD_SECONDS)
            return
        loaded, until = self.engine.loaded_checkpoints, time.monotonic() + IDLE_WAIT_SECONDS
        lease = self.store.take(self.id, loaded, IDLE_WAIT_SECONDS, running)
        if lease is not None:
            self.joint_jobs.start(lease)
        else:  # nothing waits, or what is next waits for them to end
            self.joint_jobs.wait_for_end(max(until - time.monotonic(), 0.0))

    def is_another_idle(self) -> bool:
        """Whether another worker has no job: what waits is left to that one, and its device."""
        return any(each.state == "idle" for each in self.store.workers() if each.id != self.id)

    def max_joint_jobs(self) -> int:
        """How many jobs may be drawn side by side: one, while a plugin follows each step."""
        host = self.plugins.host
        if host is not None and PluginListener(host).follows_sampling:
            return 1
        return self.settings.max_joint_jobs

    def may_run_beside_others(self, lease: Lease) -> bool:
        """Whether a job that was taken leaves room for others."""
        return self.max_joint_jobs() > 1 and may_join(
            lease.frame.tags, lease.frame.deliveries - 1, lease.frame.tags.get(JOIN_TAG, "")
        )

    def trim_once(self) -> None:
        """Give back the memory that jobs freed, unless a next job waits, which would take it."""
        if self.is_untrimmed:
            self.is_untrimmed = False
            self.settings.trim()

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
            if once or self.shutdown.draining.is_set():
                return
            self.pace.rest()
            self.pause(seconds)

    def run_command(self) -> None:
        """Do what every worker was asked to, when no job runs."""
        command = self.store.pending_command(self.id)
        if command is None:
            return
        if command.verb != DRAIN:
            self.joint_jobs.wait_for_all()
        if command.verb == DRAIN:
            self.drain()
        elif command.verb == UNLOAD:
            self.warm_up = None
            self.engine.unload()
            self.log.info("the weights were dropped")
        elif command.verb == LOAD:
            self.warm_up = warm_up_request(command.checkpoint)
            self.load_ahead()
        elif command.verb == PLUGINS and self.plugins.host:
            self.pace.begin(stepped=False)
            self.plugins.host.load(self.plugins.choice())
            self.store.publish_plugin_states(self.id, plugin_states(self.plugins.host))
            self.log.info("the plugins were loaded anew")
        self.store.complete_command(self.id, command)

    def _take_timeout(self) -> float:
        """Seconds to wait for a job: none while a warm-up is pending."""
        return 0.0 if self.warm_up is not None else IDLE_WAIT_SECONDS

    def serve(self, lease: Lease) -> None:
        """Draw and answer one frame, or give it back."""
        frame = lease.frame
        with bind_for_block(
            request=frame.tags.get(job_codec.REQUEST_TAG, ""), job=frame.id, user=frame.owner
        ):
            self.serve_logged(lease)

    def serve_logged(self, lease: Lease) -> None:
        """Serve the frame; every log line carries the job's id."""
        self.leases[lease.token] = lease
        pace = self.paces[lease.token] = self.pace.job()
        waited = time.time() - lease.frame.put_at
        self.meter.begin(lease.token, 0.0)  # more once it holds the device
        held_before = self.engine.loaded_checkpoints
        pace.begin(stepped=lease.frame.kind in DRAWN_WITH_CHECKPOINT)
        try:
            answer = self.answer_frame(lease)
            seconds, ended = self.meter.stop(lease.token), time.monotonic()
            status = self.store_answer(lease, answer, seconds)
            self.log.info("job %s: %d in %.2f s", lease.frame.id, status, seconds)
            stored = time.monotonic() - ended
            self.log_times(lease, waited, seconds, stored)
            self.count_cache(lease, held_before)
            self.tell_busy()
        except LeaseLost:
            self.log.warning("job %s: the lease was lost; another has it", lease.frame.id)
        except Abandoned:
            self.log.info("job %s: given back", lease.frame.id)
            self.release(lease)
        finally:
            pace.end()
            self.meter.end(lease.token)
            del self.paces[lease.token], self.leases[lease.token]

    def release(self, lease: Lease) -> None:
        """Give a job back; where that cannot be stored, its lease runs out."""
        try:
            self.store.release(lease, self.meter.read_seconds(lease.token))
        except (QueueError, sqlite3.Error) as error:
            self.log.error("job %s: not given back, its lease runs out: %s", lease.frame.id, error)

    def release_running(self) -> None:
        """Give the running jobs back, if there are any, and be shown no longer."""
        for lease in tuple(self.leases.values()):
            self.release(lease)
        self.leave_list()

    def log_times(self, lease: Lease, waited: float, worked: float, stored: float) -> None:
        """``--time-log``: where a job's time went, in seconds."""
        if self.settings.time_log:
            self.log.info(
                "job %s: waited %.3f s, worked %.3f s, stored the answer in %.3f s",
                lease.frame.id, max(waited, 0.0), worked, stored,
            )  # fmt: skip

    def model_of(self, lease: Lease) -> str:
        """The title of what a job was drawn with; "" for what takes no checkpoint."""
        frame, loaded = lease.frame, next(iter(self.engine.loaded_checkpoints), "")
        if frame.kind not in DRAWN_WITH_CHECKPOINT:
            return ""
        return loaded if loaded and self.may_name(frame, loaded) else frame.checkpoint

    def may_name(self, frame: Frame, title: str) -> bool:
        """Whether the owner of a job may be told of a checkpoint.

        Where a job failed before it had its own, another user's is in memory.
        """
        tree = frame.tags.get(job_codec.TREE_TAG)
        if tree is None:
            return True
        try:
            return self.settings.find_workspace(tree).knows_checkpoint(title)
        except (UnknownUser, OSError):
            return False

    def count_cache(self, lease: Lease, before: Sequence[str]) -> None:
        """Count whether the job's checkpoint was in memory when the job came."""
        model = self.model_of(lease)
        if not model:
            return
        facts = {"cache": "checkpoint", "result": "hit" if model in before else "miss"}
        try:
            self.store.add_to_counter("cache_requests", facts)
        except (QueueError, sqlite3.Error) as error:
            self.log.warning("a use of the cache was not counted: %s", error)

    def tell_busy(self) -> None:
        """Tell how long the worker has worked; where that fails, it is told later."""
        try:
            self.busy_report.tell()
        except (QueueError, sqlite3.Error) as error:
            self.log.warning("the worker's time is told later: %s", error)

    def answer_frame(self, lease: Lease) -> Answer:
        """The answer to a frame: the handler's, or the error envelope of what went wrong."""
        started = time.monotonic()
        try:
            handlers, catch_up = self.find_handlers(lease.frame.tags.get(job_codec.TREE_TAG))
            handler = handlers.find(lease.frame.kind)
            if lease.frame.kind == job_codec.GENERATE:
                self.warm_up = None  # this job warms better
            catch_up(lease.frame.tags.get(job_codec.MODELS_TAG, ""))
            with self.limit_plugins(lease):
                return handler(lease)
        except (LeaseLost, Abandoned):
            raise
        except Exception as error:  # the worker's border: whatever happens is an answer
            self.log_failure(lease, error)
            self.handlers.notify_job_failed(lease, error)
            self.recover(error)
            return compose_failure(
                error, extras_of(lease), EasStatus.FAILED, time.monotonic() - started
            )

    def limit_plugins(self, lease: Lease) -> AbstractContextManager[None]:
        """Within it a user's job passes the plugins alone that the user has."""
        host, settings = self.plugins.host, self.settings
        if host is None or settings.shared_plugins or job_codec.TREE_TAG not in lease.frame.tags:
            return nullcontext()
        return host.shipped_only()

    def find_handlers(self, tree: str | None) -> tuple[JobHandlers, Callable[[str], None]]:
        """The handlers of a user's jobs, or of others', and what looks at their models again."""
        if tree is None:
            return self.handlers, self.settings.catch_up
        workspace = self.settings.find_workspace(tree)
        return self.handlers.in_workspace(workspace), workspace.catch_up

    def keep_lease(self, lease: Lease, options: Snapshot) -> LeaseKeeper:
        """A context that keeps the lease alive, publishes progress and checks for stop requests."""
        terms = (
            self.store, lease, options, self.log, self.shutdown.abandoned,
            self.paces[lease.token].step, self.busy_report.tell,
            DeviceShare(self.meter, lease.token),
        )  # fmt: skip
        if job_codec.PICTURES_TAG in lease.frame.tags:
            return PictureKeeper(self.drawn_pictures, *terms)
        return LeaseKeeper(*terms)

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
            self.shutdown.end_after_job(os.EX_SOFTWARE)

    def store_answer(self, lease: Lease, answer: Answer, seconds: float) -> int:
        """Hand the answer over; on a full or locked disk say just that, and try until it is stored.

        The caller waits for it. Returns the status that was stored; raises ``LeaseLost``, or
        ``Abandoned`` if the worker is told to end before.
        """
        for pause in endless_pauses(RETRY_PAUSES):
            try:
                if not self.store.answer(lease, answer, seconds, self.model_of(lease)):
                    raise LeaseLost
                break
            except (QueueError, sqlite3.Error) as error:
                self.log.error("job %s: the answer was not stored: %s", lease.frame.id, error)
                if not isinstance(error, StoreUnavailable):  # that one will be there again
                    answer = error_answer(error)  # may still fit where pictures did not
            if self.shutdown.draining.is_set():
                raise Abandoned  # it is drawn again after the next start
            self.paces[lease.token].rest()
            self.pause(pause)
            self.renew_lease(lease)
        try:
            SaveJournal.for_job(self.settings.data_dir / STATE_FOLDER, lease.frame.id).delete()
        except OSError as error:
            self.log.warning("job %s: its receipt stays for a day: %s", lease.frame.id, error)
        return answer.status

    def renew_lease(self, lease: Lease) -> None:
        """Renew a lease where the disk lets us. Raises ``LeaseLost``."""
        try:
            if not self.store.renew(lease, self.meter.read_seconds(lease.token)):
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
        if self.shutdown.draining.is_set():
            raise Abandoned
        return Stop.NO

    def leave_lost_queue(self, why: str) -> None:
        """End, to be started anew with the queue that others use now."""
        self.log.error("%s The worker ends, to be started anew.", why)
        self.shutdown.end_now(os.EX_TEMPFAIL)

    def activity(self) -> object:
        """What a heartbeat tells that may change at any moment; cheap."""
        return (
            self.state,
            tuple(self.leases),
            self.engine.loaded_checkpoints,
            self.shutdown.draining.is_set(),
        )

    def current_state(self) -> WorkerState:
        """What the worker does at this moment."""
        leases = tuple(self.leases.values())
        state = "working" if leases else self.state
        return WorkerState(
            id=self.id,
            state="draining" if self.shutdown.draining.is_set() else state,
            checkpoint=next(iter(self.engine.loaded_checkpoints), ""),
            also_loaded=tuple(self.engine.loaded_checkpoints[1:]),
            job=leases[0].frame.id if leases else "",
            seen_at=time.time(),
            memory=self.settings.measure(),
            version=VERSION,
            models_folder=self.settings.models_folder,
            joined=self.settings.joined,
        )


def endless_pauses(pauses: Sequence[float]) -> Iterator[float]:
    """The pauses in turn, and then the last one for ever."""
    return chain(pauses, repeat(pauses[-1]))


def is_device_lost(error: BaseException) -> bool:
    """True for an error of CUDA after which every call fails, until the process is a new one."""
    text = str(error)
    return "CUDA error" in text or "CUBLAS_STATUS_EXECUTION_FAILED" in text


def extras_of(lease: Lease) -> job_codec.EasExtras | None:
    """The vendor's extras of a frame; None where it has none, or cannot be read."""
    if lease.frame.kind != job_codec.GENERATE:
        return None
    try:
        return job_codec.decode_job(lease.frame.body).extras
    except ValidationError:
        return None
