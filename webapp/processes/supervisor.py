"""``easel serve``: supervises one web process and one worker for each device.

Imports no Flask, torch or pydantic: it starts first, and the ping waits for it.
"""

import logging
import os
import select
import signal
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from generator.run_timer import sleep_slices
from webapp.access.secret import Secret
from webapp.logs import start_log
from webapp.process_tree import (
    LISTEN_FD_VARIABLE,
    LOG_FILE_VARIABLE,
    SUPERVISOR_VARIABLE,
)
from webapp.processes.log_limit import LogLimit
from webapp.processes.managed_process import ManagedProcess, ProcessExit
from webapp.processes.ports import PortTaken, ReadinessProbe, open_listener
from webapp.processes.worker_pool import WorkerPool, create_pool
from webapp.queues.dead_workers import release_dead_workers, release_leases
from webapp.queues.drain import announce_drain, withdraw_drain
from webapp.queues.errors import QueueError
from webapp.queues.folder_watch import QueueWatchThread
from webapp.queues.worker_id import WorkerId
from webapp.settings.config import local_address
from webapp.settings.data_dir import CannotUse, check_certificate, open_store, service_token
from webapp.settings.devices import DeviceMissing, check_devices, resolve_devices
from webapp.settings.first_start import prepare
from webapp.settings.secret_flags import (
    SECRETS_VARIABLE,
    STDIN,
    WORKER_SECRETS,
    encode_secrets,
    overwrite_secrets,
    remove_secrets,
    split_secrets,
)

if TYPE_CHECKING:
    from webapp.queues.contracts.queue_store import QueueStore
    from webapp.settings.config import Config

TICK_SECONDS = 0.25  # seconds between looks when no signal comes
WORKER_GRACE = 35.0  # seconds; a worker gives its job back after 30
WEB_GRACE = 6.0
MAX_DEATHS_AT_START = 3  # deaths of the web process before its first answer that end the service
PROGRAM = (sys.executable, "-m", "webapp")
FIRST_PORT, FIRST_API_PORT = 7860, 7861

InterruptibleSleep = Callable[[float], None]


class Supervisor:
    """The processes of one machine."""

    def __init__(
        self,
        web: ManagedProcess,
        pool: WorkerPool,
        store: "QueueStore",
        log: logging.Logger,
        reopen: "Callable[[], QueueStore]",
    ) -> None:
        """``reopen`` opens the queue after it was lost, or raises as :func:`reopen_queue`."""
        self.web = web
        self.pool = pool
        self.workers = pool.workers
        self.store = store
        self.log = log
        self.reopen = reopen
        self.queue_lost = threading.Event()
        self.stop_signals = 0
        self.restart_requested = False  # asked to start everything again

    def listen_to_signals(self) -> None:
        """SIGTERM, SIGINT: stop. SIGUSR1: start anew. SIGCHLD only wakes the loop."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_stop_signal)
        signal.signal(signal.SIGUSR1, self._on_restart_signal)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self, probe: ReadinessProbe) -> int:
        """Start everything and keep it alive until told to stop; the exit code."""
        release_dead_workers(self.store, self.log)
        self.announce(withdraw_drain)
        with signal_wakeup() as sleep:
            self.start_processes()
            probe.start()
            self.watch_queue()
            looked_at = time.monotonic()
            while not self.stop_signals:
                sleep(TICK_SECONDS)
                for child in self.workers:
                    child.end_if_hung(time.monotonic() - looked_at)
                looked_at = time.monotonic()
                if self.restart_requested:
                    self.restart(sleep)
                self.restart_dead()
                self.pool.scale(self.store)
                if self.queue_lost.is_set():
                    self.reopen_store()
                if not probe.answered.is_set() and self.web.death_count >= MAX_DEATHS_AT_START:
                    self.log.error("The web process does not start; its messages above say why.")
                    self.stop(sleep)
                    return 1
            self.stop(sleep)
        return 0

    def start_processes(self) -> None:
        """Start the web process and the workers that are wanted."""
        for child in (self.web, *self.workers):
            if child.is_wanted:
                child.start()

    def restart_dead(self) -> None:
        """Start again what has died, and give a dead worker's jobs to the next."""
        for child in (self.web, *self.workers):
            death = child.reap()
            if death is not None:
                self.follow_death(child, death)
            child.start_if_due()

    def follow_death(self, child: ManagedProcess, death: ProcessExit) -> None:
        """Free what a process held, and count and time its restart if it was not told to end."""
        released = 0
        if child.device:
            name = WorkerId.of_process(child.device, death.pid)
            released = release_leases(self.store, name, death.how, self.log)
        if death.planned:
            return
        self.count_restart(child.device or "web")
        answer_stored = death.code == os.EX_SOFTWARE  # the job's error was stored before
        child.schedule_restart(death, caused_by_job=released > 0 or answer_stored)

    def watch_queue(self) -> None:
        """Look whether the queue stays where it is."""
        QueueWatchThread(self.store, self.on_queue_lost).start()

    def on_queue_lost(self, why: str) -> bool:
        """Say once that the queue is gone; the other processes notice it themselves, and end."""
        self.log.error("%s What waited in it is lost; a new queue is opened.", why)
        self.queue_lost.set()
        return True

    def reopen_store(self) -> None:
        """Open the queue that is there now, making one where there is none; else try again."""
        try:
            store = self.reopen()
        except (CannotUse, OSError, sqlite3.Error) as error:
            self.log.debug("no queue yet: %s", error)
            return
        self.queue_lost.clear()
        self.store.close()
        self.store = store
        self.watch_queue()

    def count_restart(self, process: str) -> None:
        """Count a process that is started again, for ``/metrics``."""
        try:
            self.store.add_to_counter("restarts", {"process": process})
        except (QueueError, sqlite3.Error) as error:
            self.log.warning("a restart was not counted: %s", error)

    def stop(self, sleep: InterruptibleSleep) -> None:
        """Workers finish or give back; then the web process sends the last answers.

        Meanwhile it refuses new requests, and those that wait: their frames are kept.
        """
        self.announce(announce_drain)
        self.end_processes(self.workers, WORKER_GRACE, sleep)
        self.end_processes((self.web,), WEB_GRACE, sleep)

    def restart(self, sleep: InterruptibleSleep) -> None:
        """End every process kindly and start it again; the listening socket stays open."""
        self.restart_requested = False
        self.log.info("Everything is started anew, as asked for")
        self.stop(sleep)
        if not self.stop_signals:
            self.announce(withdraw_drain)
            self.start_processes()

    def announce(self, write: Callable[["QueueStore"], None]) -> None:
        """Write to the board whether the service is ending."""
        try:
            write(self.store)
        except (QueueError, sqlite3.Error) as error:
            self.log.warning("the web process was not told that the service ends: %s", error)

    def end_processes(
        self, children: Sequence[ManagedProcess], grace: float, sleep: InterruptibleSleep
    ) -> None:
        """SIGTERM, another one whenever we are told again, SIGKILL after the grace.

        Of the grace, seconds in which this process itself stood still do not count: the children
        may have stood still with it.
        """
        signals_seen = self.stop_signals
        for child in children:
            child.signal(signal.SIGTERM)
        for pause in sleep_slices(grace):
            if not any(child.is_alive for child in children):
                break
            sleep(pause)
            if self.stop_signals > signals_seen:
                signals_seen = self.stop_signals
                for child in children:
                    child.signal(signal.SIGTERM)
        for child in children:
            pid = child.kill()
            if child.device and pid is not None:
                worker = WorkerId.of_process(child.device, pid)
                release_leases(self.store, worker, "ended with the service", self.log)

    def _on_stop_signal(self, number: int, frame: FrameType | None) -> None:
        self.stop_signals += 1

    def _on_restart_signal(self, number: int, frame: FrameType | None) -> None:
        self.restart_requested = True


@contextmanager
def signal_wakeup() -> Iterator[InterruptibleSleep]:
    """A sleep that any signal interrupts."""
    read_end, write_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)

    def wait(seconds: float) -> None:
        select.select([read_end], [], [], seconds)
        with suppress(BlockingIOError):
            os.read(read_end, 4096)

    try:
        yield wait
    finally:
        signal.set_wakeup_fd(before)
        os.close(read_end)
        os.close(write_end)


def run(config: "Config", flags: Sequence[str], program: Sequence[str] = PROGRAM) -> int:
    """``easel serve``: run the service until a signal; the exit code.

    ``flags`` are those of the command line, for the children to read again (secret ones reach
    whom they are for another way); ``program`` is what runs them.
    """
    log = start_log(config.log_json)
    if log_file := os.environ.pop(LOG_FILE_VARIABLE, ""):
        LogLimit(Path(log_file)).start()
    flags, secrets, worker_secrets = take_secrets(flags)
    try:
        check_certificate(config)
        names = resolve_devices(config.device)
        check_devices(names)
        prepare(config)
        key = service_token(config)
        first = FIRST_PORT if config.web_ui else FIRST_API_PORT
        listening = open_listener(config.host, config.port, first)
        store = open_store(config, log.getChild("queue"))
    except (CannotUse, DeviceMissing, PortTaken) as error:
        log.error("%s", error)
        return 1
    except (OSError, sqlite3.Error) as error:
        log.error("The data directory %s cannot be used: %s", config.data_dir, error)
        return 1
    if config.ignored:
        log.info("Accepted, and without a meaning here: %s", ", ".join(config.ignored))
    port = listening.getsockname()[1]
    child_environment = {SUPERVISOR_VARIABLE: str(os.getpid())}
    web = create_web_process(
        (*program, "web", *flags, "--port", str(port)), child_environment, listening, secrets, log
    )
    worker_command = (*program, "worker", *flags)
    pool = create_pool(config, names, worker_command, child_environment, log, worker_secrets)
    probe = ReadinessProbe(
        config.host,
        port,
        config.tls_certfile is not None,
        lambda: announce(config, port, key),
    )
    reopen = partial(reopen_queue, config, log, port, key)
    supervisor = Supervisor(web, pool, store, log, reopen)
    supervisor.listen_to_signals()
    try:
        return supervisor.run(probe)
    finally:
        supervisor.store.close()
        listening.close()


def create_web_process(
    command: Sequence[str],
    environment: Mapping[str, str],
    listening: socket.socket,
    secrets: bytes,
    log: logging.Logger,
) -> ManagedProcess:
    """The web process, which serves the open socket and reads the secret flags on stdin."""
    return ManagedProcess(
        "The web process",
        command,
        {**environment, LISTEN_FD_VARIABLE: str(listening.fileno()), SECRETS_VARIABLE: STDIN},
        log,
        pass_fds=(listening.fileno(),),
        stdin_data=secrets,
    )


def reopen_queue(
    config: "Config", log: logging.Logger, port: int, key: Secret | None
) -> "QueueStore":
    """The queue of a data directory that was taken away, both made where they are missing.

    ``key`` is the token that was announced; another is announced again. Raises ``CannotUse``,
    ``OSError``, ``sqlite3.Error``.
    """
    prepare(config)
    service_key = service_token(config)
    if service_key is not None and (key is None or service_key.reveal() != key.reveal()):
        announce(config, port, service_key)
    return open_store(config, log.getChild("queue"))


def take_secrets(flags: Sequence[str]) -> tuple[list[str], bytes, bytes]:
    """Flags without secret ones, for every child; what the web process is handed; and workers.

    They are gone from this process's command line and environment then.
    """
    secrets = encode_secrets(flags, os.environ)
    worker_secrets = encode_secrets(flags, os.environ, WORKER_SECRETS)
    overwrite_secrets(flags, os.environ)
    remove_secrets(os.environ)
    return split_secrets(flags)[0], secrets, worker_secrets


def announce(config: "Config", port: int, key: Secret | None) -> None:
    """Print where the service is, and the token if one was made for it."""
    print(f"Easel is ready at {local_address(config, port)}", flush=True)
    if key and not config.token:
        print(f"Token (kept in {config.easel_dir / 'token'}): {key.reveal()}", flush=True)
    if config.insecure and config.listen:
        print("WARNING: --insecure: whoever reaches this address is the owner.", flush=True)
