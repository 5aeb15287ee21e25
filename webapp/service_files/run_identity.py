"""Which processes belong to a run of a service.

Process ids alone are not believed: they are reused. Linux only: what ``/proc`` tells is read.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from webapp.process_tree import boot_identity, is_running

RUN_VARIABLE = "EASEL_SERVICE_RUN"
"""Environment variable that all processes of a run have: its id."""

PROC = Path("/proc")
START_FIELD = 19  # of /proc/<pid>/stat behind the name: clock ticks from boot to its start


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process of one boot of a machine; no two have the same."""

    pid: int
    started_ticks: int
    boot: str

    @property
    def is_alive(self) -> bool:
        """Whether exactly this process runs."""
        return is_running(self.pid) and identify(self.pid) == self


def identify(pid: int) -> ProcessIdentity | None:
    """The identity of a process; None where there is none of this id."""
    try:
        fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return ProcessIdentity(pid, int(fields[START_FIELD]), boot_identity())
    except (OSError, IndexError):
        return None


def run_processes(run: str) -> list[int]:
    """The processes of a run, wherever they went: those that inherited its variable."""
    return [pid for pid in _all_pids() if is_of_run(pid, run) and is_running(pid)]


def is_of_run(pid: int, run: str) -> bool:
    """Whether a process was started with the variable of this run."""
    try:
        variables = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:  # another user's, or gone
        return False
    return f"{RUN_VARIABLE}={run}".encode() in variables


def signal_process(pid: int, run: str, number: signal.Signals) -> None:
    """Send a signal to a process of this run, and to no other that has taken its id."""
    with suppress(ProcessLookupError):
        handle = _open_process(pid)
        try:
            if not is_of_run(pid, run):
                return
            if handle is None:
                os.kill(pid, number)
            else:
                signal.pidfd_send_signal(handle, number)
        finally:
            if handle is not None:
                os.close(handle)


def _open_process(pid: int) -> int | None:
    """A handle that stands for one process; None where the kernel has none or forbids it."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        raise
    except OSError:
        return None


def _all_pids() -> Iterator[int]:
    return (int(name) for name in os.listdir(PROC) if name.isdecimal())
