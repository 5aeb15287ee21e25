"""``easel serve``: supervises one web process and one worker for each device.

Imports no Flask, torch or pydantic: it starts first, and the ping waits for it.
"""

import logging
import os
import select
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

from generator.patience import slices
from webapp.child import Child
from webapp.devices import DeviceMissing, check_devices, devices
from webapp.draining import announce as announce_drain
from webapp.draining import withdraw
from webapp.family import LISTEN_FD, PROGRESS_FD, SUPERVISOR, is_dead, worker_name
from webapp.first_start import prepare
from webapp.hang_watch import HangWatch
from webapp.logs import start_log
from webapp.pace_of_work import LOADING
from webapp.places import CannotUse, check_certificate, open_store, token
from webapp.ports import PortTaken, Probe, listener
from webapp.progress_mark import FOR_EVER, ProgressMark
from webapp.queue_watch import WatchingThread
from webapp.queues.errors import QueueError
from webapp.secret import Secret
from webapp.secret_flags import HANDED, STDIN, blot_out, forget, handed_over, split

if TYPE_CHECKING:
    from webapp.config import Config
    from webapp.queues.sqlite import SqliteStore

TICK = 0.25  # seconds between looks when no signal comes
WORKER_GRACE = 35.0  # seconds; a worker gives its job back after 30
WEB_GRACE = 6.0
STILLBORN = 3  # deaths of the web process before its first answer that end the service
EASEL = (sys.executable, "-m", "webapp")
FIRST_PORT, FIRST_API_PORT = 7860, 7861

Waiter = Callable[[float], None]


class Supervisor:
    """The processes of one machine."""

    def __init__(
        self,
        web: Child,
        workers: Sequence[Child],
        store: "SqliteStore",
        log: logging.Logger,
        reopen: "Callable[[], SqliteStore]",
    ) -> None:
        """``reopen`` opens the queue after it was lost, or raises as :func:`opened_anew`."""
        self.web = web
        self.workers = tuple(workers)
        self.store = store
        self.log = log
        self.reopen = reopen
        self.lost = threading.Event()
        self.signals = 0
        self.anew = False  # asked to start everything again

    def listen_to_signals(self) -> None:
        """SIGTERM, SIGINT: stop. SIGUSR1: start anew. SIGCHLD only wakes the loop."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._told)
        signal.signal(signal.SIGUSR1, self._told_anew)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self, probe: Probe) -> int:
        """Start everything and keep it alive until told to stop; the exit code."""
        self.inherit()
        self.tell_door(withdraw)
        with waking() as woken:
            for child in (self.web, *self.workers):
                child.start()
            probe.start()
            self.watch_queue()
            looked = time.monotonic()
            while not self.signals:
                woken(TICK)
                for child in self.workers:
                    child.end_if_hung(time.monotonic() - looked)
                looked = time.monotonic()
                if self.anew:
                    self.restart(woken)
                self.mend()
                if self.lost.is_set():
                    self.open_anew()
                if not probe.answered.is_set() and self.web.deaths_in_all >= STILLBORN:
                    self.log.error("The web process does not start; its messages above say why.")
                    self.stop(woken)
                    return 1
            self.stop(woken)
        return 0

    def mend(self) -> None:
        """Start again what has died, and give a dead worker's jobs to the next."""
        for child in (self.web, *self.workers):
            death = child.reap()
            if death is not None:
                self.note_death(child.device or "web")
                released = 0
                if child.device:
                    name = worker_name(child.device, death.pid)
                    released = self.give_back(name, death.how)
                answered = death.code == os.EX_SOFTWARE  # the job's error was stored before
                child.start_again(death, of_a_job=released > 0 or answered)
            child.start_if_due()

    def watch_queue(self) -> None:
        """Look whether the queue stays where it is."""
        WatchingThread(self.store, self.note_loss).start()

    def note_loss(self, why: str) -> bool:
        """Say once that the queue is gone; the other processes notice it themselves, and end."""
        self.log.error("%s What waited in it is lost; a new queue is opened.", why)
        self.lost.set()
        return True

    def open_anew(self) -> None:
        """Open the queue that is there now, making one where there is none; else try again."""
        try:
            store = self.reopen()
        except (CannotUse, OSError, sqlite3.Error) as error:
            self.log.debug("no queue yet: %s", error)
            return
        self.lost.clear()
        self.store.close()
        self.store = store
        self.watch_queue()

    def note_death(self, process: str) -> None:
        """Count a process that is started again, for ``/metrics``."""
        try:
            self.store.count("restarts", {"process": process})
        except (QueueError, sqlite3.Error) as error:
            self.log.warning("a restart was not counted: %s", error)

    def inherit(self) -> None:
        """Release the leases of dead workers of an earlier run of the service."""
        try:
            holders = self.store.holders()
        except (QueueError, sqlite3.Error) as error:
            self.log.error("Jobs of an earlier life wait for their leases to end: %s", error)
            return
        for worker in holders:
            if is_dead(worker):
                self.give_back(worker)

    def give_back(self, worker: str, how: str = "ended with the service") -> int:
        """End the leases of a worker that is gone, at once and not when they run out; how many."""
        try:
            released = self.store.release_worker(worker, how)
        except (QueueError, sqlite3.Error) as error:
            self.log.error("The dead worker's jobs wait for their leases to end: %s", error)
            return 0
        if released:
            self.log.warning("%d job(s) of the dead worker are taken up again", released)
        return released

    def stop(self, woken: Waiter) -> None:
        """Workers finish or give back; then the web process sends the last answers.

        Meanwhile it refuses new requests, and those that wait: their frames are kept.
        """
        self.tell_door(announce_drain)
        self.end(self.workers, WORKER_GRACE, woken)
        self.end((self.web,), WEB_GRACE, woken)

    def restart(self, woken: Waiter) -> None:
        """End every process kindly and start it again; the listening socket stays open."""
        self.anew = False
        self.log.info("Everything is started anew, as asked for")
        self.stop(woken)
        if not self.signals:
            self.tell_door(withdraw)
            for child in (self.web, *self.workers):
                child.start()

    def tell_door(self, words: Callable[["SqliteStore"], None]) -> None:
        """Write to the board whether the service is ending."""
        try:
            words(self.store)
        except (QueueError, sqlite3.Error) as error:
            self.log.warning("the web process was not told that the service ends: %s", error)

    def end(self, children: Sequence[Child], grace: float, woken: Waiter) -> None:
        """SIGTERM, another one whenever we are told again, SIGKILL after the grace.

        Of the grace, seconds in which this process itself stood still do not count: the children
        may have stood still with it.
        """
        told = self.signals
        for child in children:
            child.signal(signal.SIGTERM)
        for pause in slices(grace):
            if not any(child.alive for child in children):
                break
            woken(pause)
            if self.signals > told:
                told = self.signals
                for child in children:
                    child.signal(signal.SIGTERM)
        for child in children:
            pid = child.kill()
            if child.device and pid is not None:
                self.give_back(worker_name(child.device, pid))

    def _told(self, number: int, frame: FrameType | None) -> None:
        self.signals += 1

    def _told_anew(self, number: int, frame: FrameType | None) -> None:
        self.anew = True


@contextmanager
def waking() -> Iterator[Waiter]:
    """A sleep that any signal interrupts."""
    ear, mouth = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = signal.set_wakeup_fd(mouth, warn_on_full_buffer=False)

    def wait(seconds: float) -> None:
        select.select([ear], [], [], seconds)
        with suppress(BlockingIOError):
            os.read(ear, 4096)

    try:
        yield wait
    finally:
        signal.set_wakeup_fd(before)
        os.close(ear)
        os.close(mouth)


def run(config: "Config", flags: Sequence[str], program: Sequence[str] = EASEL) -> int:
    """``easel serve``: run the service until a signal; the exit code.

    ``flags`` are those of the command line, for the children to read again (secret ones reach the
    web process alone, another way); ``program`` is what runs them.
    """
    log = start_log(config.log_json)
    flags, secrets = take_secrets(flags)
    try:
        check_certificate(config)
        names = devices(config.device)
        check_devices(names)
        prepare(config)
        key = token(config)
        first = FIRST_PORT if config.web_ui else FIRST_API_PORT
        heard = listener(config.host, config.port, first)
        store = open_store(config, log.getChild("queue"))
    except (CannotUse, DeviceMissing, PortTaken) as error:
        log.error("%s", error)
        return 1
    except (OSError, sqlite3.Error) as error:
        log.error("The data directory %s cannot be used: %s", config.data_dir, error)
        return 1
    if config.ignored:
        log.info("Accepted, and without a meaning here: %s", ", ".join(config.ignored))
    port = heard.getsockname()[1]
    tie = {SUPERVISOR: str(os.getpid())}
    web = Child(
        "The web process",
        (*program, "web", *flags, "--port", str(port)),
        {**tie, LISTEN_FD: str(heard.fileno()), HANDED: STDIN},
        log,
        pass_fds=(heard.fileno(),),
        handed=secrets,
    )
    workers = [
        worker_child(device, (*program, "worker", *flags), tie, config.worker_hang_seconds, log)
        for device in names
    ]
    probe = Probe(
        config.host,
        port,
        config.tls_certfile is not None,
        lambda: announce(config, port, key),
    )
    reopen = partial(opened_anew, config, log, port, key)
    supervisor = Supervisor(web, workers, store, log, reopen)
    supervisor.listen_to_signals()
    try:
        return supervisor.run(probe)
    finally:
        supervisor.store.close()
        heard.close()


def worker_child(
    device: str,
    command: Sequence[str],
    tie: Mapping[str, str],
    hang_seconds: float,
    log: logging.Logger,
) -> Child:
    """The worker of a device, with what it tells of its progress by."""
    mark = ProgressMark.make()
    return Child(
        f"The worker of {device}",
        (*command, "--device", device),
        {**tie, PROGRESS_FD: str(mark.descriptor)},
        log,
        device=device,
        pass_fds=(mark.descriptor,),
        hang=HangWatch(mark),
        starting=LOADING * (hang_seconds or FOR_EVER),
    )


def opened_anew(
    config: "Config", log: logging.Logger, port: int, key: Secret | None
) -> "SqliteStore":
    """The queue of a data directory that was taken away, both made where they are missing.

    ``key`` is the token that was announced; another is announced again. Raises ``CannotUse``,
    ``OSError``, ``sqlite3.Error``.
    """
    prepare(config)
    made = token(config)
    if made is not None and (key is None or made.reveal() != key.reveal()):
        announce(config, port, made)
    return open_store(config, log.getChild("queue"))


def take_secrets(flags: Sequence[str]) -> tuple[list[str], bytes]:
    """Flags without secret ones, for every child; and what the web process alone is handed.

    They are gone from this process's command line and environment then.
    """
    secrets = handed_over(flags, os.environ)
    blot_out(flags, os.environ)
    forget(os.environ)
    return split(flags)[0], secrets


def announce(config: "Config", port: int, key: Secret | None) -> None:
    """Print where the service is, and the token if one was made for it."""
    scheme = "https" if config.tls_certfile else "http"
    host = "localhost" if config.host in ("127.0.0.1", "0.0.0.0", "::", "::1") else config.host
    print(f"Easel is ready at {scheme}://{host}:{port}{config.root_path}", flush=True)
    if key and not config.token:
        print(f"Token (kept in {config.easel_dir / 'token'}): {key.reveal()}", flush=True)
    if config.insecure and config.listen:
        print("WARNING: --insecure: whoever reaches this address is the owner.", flush=True)
