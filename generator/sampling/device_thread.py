"""The one thread that computes for all jobs of a device.

Graphs of a graphics card belong to the thread that recorded them, and on a CPU each thread that
computes keeps a team of its own: many teams wait for one another's cores.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

import torch

T = TypeVar("T")


class DeviceThread:
    """Runs what it is given, in order. The thread begins with the first of it."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "device", initializer=self._remember)
        self._ident: int | None = None

    @property
    def is_current(self) -> bool:
        """Whether the caller runs in this thread."""
        return threading.get_ident() == self._ident

    def run(self, act: Callable[[], T]) -> T:
        """What ``act`` returns or raises, without gradients; log lines are the caller's job's."""
        if self.is_current:
            return act()
        return self._pool.submit(copy_context().run, _without_gradients, act).result()

    def start(self, act: Callable[[], None]) -> None:
        """Run ``act`` without waiting for it; it raises nothing."""
        self._pool.submit(_without_gradients, act)

    def _remember(self) -> None:
        self._ident = threading.get_ident()


def _without_gradients(act: Callable[[], T]) -> T:
    with torch.no_grad():  # torch asks it of each thread
        return act()
