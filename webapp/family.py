"""Ties between the supervisor and its children."""

import ctypes
import os
import signal
import socket
import sys

SUPERVISOR = "EASEL_SUPERVISOR"
"""Environment variable in which a supervisor tells its children its process id."""

LISTEN_FD = "EASEL_LISTEN_FD"
"""Environment variable: the descriptor of the supervisor's listening socket, for the web process.

The supervisor keeps it open, so that no connection is refused while that process is restarted.
"""

SET_PARENT_DEATH_SIGNAL = 1  # prctl(2)


def worker_name(device: str, pid: int) -> str:
    """The name a worker goes by in the queue; no two running workers of a store share one."""
    return f"{device}@{socket.gethostname()}:{pid}"


def die_with_parent() -> None:
    """Have the kernel kill this process when the process that started it dies (Linux only)."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)


def die_with_supervisor() -> None:
    """As :func:`die_with_parent`, for a child of a supervisor; nothing for a process by itself."""
    supervisor = os.environ.get(SUPERVISOR)
    if not supervisor:
        return
    die_with_parent()
    if os.getppid() != int(supervisor):  # it died before we could ask
        os.kill(os.getpid(), signal.SIGKILL)
