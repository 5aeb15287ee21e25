"""How long a device works, and whose work it is. Imports no torch.

Time in which several jobs share the device is divided among them, so that the parts always make
up the whole: jobs that are drawn in one call of the network, each with its rows.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from webapp.queues.charge_codec import device_of
from webapp.queues.contracts.charges import BusyTime
from webapp.queues.worker_id import WorkerId
from webapp.utc_days import day_of

REPORT_SECONDS = 1.0  # between two reports of a busy worker; so much may be lost with it


class DeviceMeter:
    """Seconds of each running job, and of the device. For all threads of a worker."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.busy_seconds = 0.0  # in which at least one job ran, up to the last change
        self._weights: dict[str, float] = {}
        self._seconds: dict[str, float] = {}
        self._changed_at = clock()
        self._lock = threading.Lock()

    def begin(self, job: str, weight: float = 1.0) -> None:
        """A job holds the device from now on, alone or beside others."""
        with self._lock:
            self._divide()
            self._weights[job], self._seconds[job] = weight, 0.0

    def weigh(self, job: str, weight: float) -> None:
        """What a job takes of the device from now on, beside others: in calls of the network that
        it shares its rows, 0 while it waits. Where nobody has a weight, all take as much.
        """
        with self._lock:
            self._divide()
            if job in self._weights:
                self._weights[job] = weight

    def stop(self, job: str) -> float:
        """The job holds the device no longer; its seconds, which may be read until it ends."""
        with self._lock:
            self._divide()
            self._weights.pop(job, None)
            return self._seconds.get(job, 0.0)

    def end(self, job: str) -> float:
        """The job holds the device no longer; its seconds. 0 for one that did not begin."""
        with self._lock:
            self._divide()
            self._weights.pop(job, None)
            return self._seconds.pop(job, 0.0)

    def read_seconds(self, job: str) -> float:
        """The job's seconds up to now. 0 for one that does not run."""
        with self._lock:
            self._divide()
            return self._seconds.get(job, 0.0)

    def read_busy_seconds(self) -> float:
        """Seconds in which at least one job ran, up to now."""
        with self._lock:
            self._divide()
            return self.busy_seconds

    def _divide(self) -> None:
        """Give the time since the last change to the jobs that ran in it."""
        now = self.clock()
        passed, self._changed_at = now - self._changed_at, now
        if not self._weights:
            return
        self.busy_seconds += passed
        total = sum(self._weights.values())
        for job, weight in self._weights.items():
            share = weight / total if total > 0 else 1 / len(self._weights)
            self._seconds[job] += passed * share


@dataclass(frozen=True, slots=True)
class DeviceShare:
    """One job's part of what a meter measures."""

    meter: DeviceMeter
    job: str

    @property
    def seconds(self) -> float:
        """Of the device, so far."""
        return self.meter.read_seconds(self.job)

    def weigh(self, weight: float) -> None:
        """See :meth:`DeviceMeter.weigh`."""
        self.meter.weigh(self.job, weight)


class BusyReport:
    """Tells the store how long the worker has worked on each day, for the ledger to compare."""

    def __init__(
        self,
        worker: WorkerId,
        meter: DeviceMeter,
        publish: Callable[[BusyTime], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.device, self.meter, self.publish, self.clock = device_of(worker), meter, publish, clock
        self.run = f"{worker} {clock():.3f}"  # process ids come again
        self._lock = threading.Lock()
        self._day, self._before_day, self._told = "", 0.0, 0.0
        self._told_at = float("-inf")

    def tell(self, *, at_once: bool = False) -> None:
        """Publish what has come since, at most each few seconds. Raises what ``publish`` does."""
        with self._lock:
            now, busy = self.clock(), self.meter.read_busy_seconds()
            if busy <= self._told or not (at_once or now - self._told_at >= REPORT_SECONDS):
                return
            day = day_of(now)
            before = self._told if day != self._day else self._before_day
            self.publish(BusyTime(self.run, day, self.device, busy - before))
            self._day, self._before_day, self._told, self._told_at = day, before, busy, now
