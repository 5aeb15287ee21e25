"""Which worker: the name under which a process takes jobs from the queue."""

import os
import socket
from dataclasses import dataclass
from typing import Self

from webapp.process_tree import is_running


@dataclass(frozen=True, slots=True, order=True)
class WorkerId:
    """A worker's identity. No two running workers of a queue share one.

    ``str`` gives ``"cuda:0@host:4711"``, as the queue stores it; ``parse`` reads that. A name
    without a host belongs to no process.
    """

    device: str
    host: str = ""
    pid: int = 0

    def __str__(self) -> str:
        return f"{self.device}@{self.host}:{self.pid}" if self.host else self.device

    @classmethod
    def parse(cls, text: str) -> Self:
        """The identity that a text of the queue names."""
        device, _, home = text.partition("@")
        host, _, pid = home.rpartition(":")
        return cls(device, host, int(pid)) if host and pid.isdigit() else cls(text)

    @classmethod
    def of_process(cls, device: str, pid: int | None = None) -> Self:
        """The worker of a process of this machine, of this process where ``pid`` is left out."""
        return cls(device, socket.gethostname(), os.getpid() if pid is None else pid)

    @property
    def is_dead(self) -> bool:
        """True if that worker ran on this machine and its process is gone."""
        return self.host == socket.gethostname() and not is_running(self.pid)
