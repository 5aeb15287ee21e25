"""The local workers: made from the flags, started and ended as the queue asks for.

A worker ends by SIGTERM, which lets it finish a job that it took meanwhile.
"""

import logging
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from webapp.process_tree import PROGRESS_FD_VARIABLE
from webapp.processes.hang_watch import HangWatch
from webapp.processes.managed_process import ManagedProcess
from webapp.processes.worker_scaling import ScaleTerms, WorkerScaler
from webapp.queues.contracts.queue import Queue
from webapp.queues.errors import QueueError
from webapp.queues.worker_id import WorkerId
from webapp.settings.secret_flags import SECRETS_VARIABLE, STDIN
from webapp.worker.expected_pace import LOADING_FACTOR
from webapp.worker.progress_mark import NO_LIMIT, ProgressMark

if TYPE_CHECKING:
    from webapp.settings.config import Config


class WorkerPool:
    """The workers of a machine, of which as many run as the queue asks for."""

    def __init__(
        self, workers: Sequence[ManagedProcess], scaler: WorkerScaler, log: logging.Logger
    ) -> None:
        self.workers = tuple(workers)
        self.scaler = scaler
        self.log = log
        for number, worker in enumerate(self.workers):
            worker.is_wanted = number < scaler.terms.least

    def scale(self, queue: Queue) -> None:
        """Start and end workers as the queue asks for; nothing where it cannot be read now."""
        if self.scaler.terms.is_fixed:
            return
        try:
            waiting, holders = queue.depth().waiting, set(queue.lease_holders())
            running = {number for number, worker in enumerate(self.workers) if worker.is_wanted}
            busy = {number for number in running if is_holder(self.workers[number], holders)}
            if waiting and len(busy) < self.scaler.terms.most and not queue.may_take():
                waiting = 0  # one more worker could take none of them
        except (QueueError, sqlite3.Error) as error:
            self.log.debug("the number of workers stays: %s", error)
            return
        chosen = self.scaler.choose(running, busy, waiting)
        for number in chosen - running:
            self.log.info("%s is started: %d job(s) wait", self.workers[number].name, waiting)
            self.workers[number].wake()
        for number in running - chosen:
            self.log.info("%s had nothing to do and is ended", self.workers[number].name)
            self.workers[number].retire()


def is_holder(worker: ManagedProcess, holders: Collection[WorkerId]) -> bool:
    """Whether a worker holds a lease."""
    return worker.pid is not None and WorkerId.of_process(worker.device, worker.pid) in holders


def spread_over_devices(devices: Sequence[str], workers: int) -> list[tuple[str, str]]:
    """Name and device of each worker; a device has its second one when all have their first."""
    rounds = -(-workers // len(devices))
    every = chain.from_iterable(
        ((f"{device} ({turn})" if turn > 1 else device, device) for device in devices)
        for turn in range(1, rounds + 1)
    )
    return list(every)[:workers]


def create_pool(
    config: "Config",
    devices: Sequence[str],
    command: Sequence[str],
    environment: Mapping[str, str],
    log: logging.Logger,
    secrets: bytes = b"",
) -> WorkerPool:
    """The workers that may run on these devices, as the flags say.

    ``secrets`` reach them by their standard input (``settings/secret_flags.py``).
    """
    if secrets:
        environment = {**environment, SECRETS_VARIABLE: STDIN}
    terms = ScaleTerms.of_flags(
        config.workers_min, config.workers_max, config.idle_seconds, len(devices)
    )
    workers = [
        create_worker_process(
            name, device, command, environment, config.worker_hang_seconds, log, secrets
        )
        for name, device in spread_over_devices(devices, terms.most)
    ]
    return WorkerPool(workers, WorkerScaler(terms), log)


def create_worker_process(
    name: str,
    device: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    hang_seconds: float,
    log: logging.Logger,
    secrets: bytes = b"",
) -> ManagedProcess:
    """A worker of a device, with what it tells of its progress by."""
    mark = ProgressMark.create()
    return ManagedProcess(
        f"The worker of {name}",
        (*command, "--device", device),
        {**environment, PROGRESS_FD_VARIABLE: str(mark.descriptor)},
        log,
        device=device,
        pass_fds=(mark.descriptor,),
        stdin_data=secrets,
        hang_watch=HangWatch(mark),
        start_seconds=LOADING_FACTOR * (hang_seconds or NO_LIMIT),
    )
