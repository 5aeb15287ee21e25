"""Which worker: the name under which a process takes jobs from the queue."""

import hashlib
import os
import socket
from dataclasses import dataclass
from typing import Self

from webapp.process_tree import is_running, machine_identity

HANDLE_DIGITS = 12  # of a worker's handle, hexadecimal


@dataclass(frozen=True, slots=True, order=True)
class WorkerId:
    """A worker's identity. No two running workers of a queue share one.

    ``machine`` is where ``pid`` means something (``process_tree.machine_identity``); host names are
    for people, as two containers may have the same. ``str`` gives
    ``"cuda:0@host/3f0c5a9e12b4:4711"``, as the queue stores it; ``parse`` reads that. A name
    without a host belongs to no process, one without a machine to a process that nobody can look
    for.
    """

    device: str
    host: str = ""
    pid: int = 0
    machine: str = ""

    def __str__(self) -> str:
        if not self.host:
            return self.device
        place = f"{self.host}/{self.machine}" if self.machine else self.host
        return f"{self.device}@{place}:{self.pid}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The identity that a text of the queue names."""
        device, _, home = text.partition("@")
        place, _, pid = home.rpartition(":")
        host, slash, machine = place.rpartition("/")
        if not slash:
            host, machine = place, ""
        return cls(device, host, int(pid), machine) if host and pid.isdigit() else cls(text)

    @classmethod
    def of_process(cls, device: str, pid: int | None = None) -> Self:
        """The worker of a process of this machine, of this process where ``pid`` is left out."""
        own = os.getpid() if pid is None else pid
        return cls(device, socket.gethostname(), own, machine_identity())

    @property
    def handle(self) -> str:
        """A short name for addresses, which tells nothing of the machine."""
        return hashlib.sha256(str(self).encode()).hexdigest()[:HANDLE_DIGITS]

    @property
    def is_dead(self) -> bool:
        """True if that worker ran where process ids are ours, and its process is gone.

        Of a worker elsewhere nobody can say so: its lease runs out.
        """
        return (
            bool(self.machine) and self.machine == machine_identity() and not is_running(self.pid)
        )
