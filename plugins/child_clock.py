"""Timeout of a child process; waiting for a processor or a disk does not count."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")  # of the processor's time in /proc, a second
MAX_STEP_SECONDS = 0.5  # seconds between two looks; what is longer, this process stood still itself
MAX_FACTOR = 20
"""Times its patience that a child may take in all, whatever it waits for."""


@dataclass(frozen=True, slots=True)
class ProcessState:
    """What ``/proc/<pid>/stat`` tells: seconds of the processor, and whether it sleeps."""

    cpu_seconds: float
    is_sleeping: bool


def state_of(pid: int) -> ProcessState | None:
    """The state of a process; None once it has ended, or where there is no ``/proc``."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return ProcessState((int(fields[11]) + int(fields[12])) / TICKS, fields[0] == "S")


@dataclass(slots=True)
class ChildClock:
    """Counts the seconds in which a child computed or slept.

    Not those in which it waited for a processor, or for a disk: on a busy machine a harmless import
    takes many times as long.
    """

    pid: int
    timeout: float  # seconds
    read_state: Callable[[int], ProcessState | None] = state_of
    clock: Callable[[], float] = time.monotonic
    used: float = 0.0
    _began: float = field(init=False)
    _last: float = field(init=False)
    _cpu_seconds: float = 0.0

    def __post_init__(self) -> None:
        self._began = self._last = self.clock()

    def is_over(self) -> bool:
        """Whether the child has used up its patience; ask often."""
        now, state = self.clock(), self.read_state(self.pid)
        passed = min(now - self._last, MAX_STEP_SECONDS)
        self._last = now
        if state is None or state.is_sleeping:
            self.used += passed
        else:
            self.used += min(state.cpu_seconds - self._cpu_seconds, passed)
        if state is not None:
            self._cpu_seconds = state.cpu_seconds
        return self.used >= self.timeout or now - self._began >= MAX_FACTOR * self.timeout
