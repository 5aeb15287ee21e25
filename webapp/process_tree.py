"""The process tree: environment variables, parent-death signal, killing a tree."""

import ctypes
import hashlib
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

SUPERVISOR_VARIABLE = "EASEL_SUPERVISOR"
"""Environment variable in which a supervisor tells its children its process id."""

LISTEN_FD_VARIABLE = "EASEL_LISTEN_FD"
"""Environment variable: the descriptor of the supervisor's listening socket, for the web process.

The supervisor keeps it open, so that no connection is refused while that process is restarted.
"""

PROGRESS_FD_VARIABLE = "EASEL_PROGRESS_FD"
"""Environment variable: the descriptor of a worker's
:class:`webapp.worker.progress_mark.ProgressMark`.
"""

COLD_START_VARIABLE = "EASEL_COLD_START"
"""Environment variable of a worker that shall load no checkpoint before somebody asks for it."""

LOG_FILE_VARIABLE = "EASEL_LOG_FILE"
"""Environment variable: the file to which a supervisor in the background writes; kept short."""

SET_PARENT_DEATH_SIGNAL = 1  # prctl(2)
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PROCESS_NAMESPACE = Path("/proc/self/ns/pid")
MACHINE_DIGITS = 12  # of a machine's identity, hexadecimal


def is_running(pid: int) -> bool:
    """True while a process runs; one that has ended but was not reaped does not."""
    try:
        state = Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def boot_identity() -> str:
    """Which running kernel this is: other after each boot, the same in all containers of a host.

    "" where the system does not tell.
    """
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


def machine_identity() -> str:
    """Where process ids mean what they mean to this process: one kernel and one pid namespace.

    Two containers of a host differ, whatever their names. "" where it cannot be told, or where
    ``/proc`` shows the processes of another namespace.
    """
    boot = boot_identity()
    try:
        namespace = os.readlink(PROCESS_NAMESPACE)
        if not boot or os.readlink("/proc/self") != str(os.getpid()):
            return ""
    except OSError:
        return ""
    return hashlib.sha256(f"{boot} {namespace}".encode()).hexdigest()[:MACHINE_DIGITS]


def die_with_parent() -> None:
    """Have the kernel kill this process when the process that started it dies (Linux only)."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def die_with_supervisor() -> None:
    """As :func:`die_with_parent`, for a child of a supervisor; nothing for a process by itself."""
    supervisor = os.environ.get(SUPERVISOR_VARIABLE)
    if not supervisor:
        return
    die_with_parent()
    if os.getppid() != int(supervisor):  # it died before we could ask
        os.kill(os.getpid(), signal.SIGKILL)


def find_descendants(pid: int) -> list[int]:
    """The processes that a process has started, and those that they have (Linux only)."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
        children.setdefault(parent, []).append(int(entry.parent.name))
    pids = list(children.get(pid, ()))
    for each in pids:
        pids += children.get(each, ())
    return pids


def kill_tree(pid: int) -> None:
    """SIGKILL for a process and all that it has started."""
    for each in (pid, *find_descendants(pid)):
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
