"""Timeouts of calls into plugins: raises in the calling thread, then leaves the process.

Python cannot stop a thread from outside. So a call that is far over its time gets an exception
thrown into it, which ends whatever runs Python. One that sits in foreign code, or catches all,
does not notice: some time later the process is left, the supervisor starts it anew, the job is
drawn again, and the plugin is kept out.
"""

import ctypes
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

BUDGET_FACTOR = 10.0  # times its budget that a call may take
MIN_SECONDS = 10.0  # seconds, whatever the budget
RETHROW_SECONDS = 5.0  # seconds between two exceptions
LEAVE_SECONDS = 30.0  # seconds from the first exception until the process is left
POLL_SECONDS = 0.25  # seconds between two looks
IDLE_POLLS = 40  # looks at nothing before the thread ends

Leave = Callable[[str, str], None]
"""Called with the plugin and what of it hangs; it does not return."""


class Hung(BaseException):
    """Thrown into a call that hangs; not an ``Exception``, so that the call does not keep it."""


@dataclass(eq=False)
class WatchedCall:
    """One call into a plugin.

    ``kind`` is a class of its own, for calls may be inside one another; made when it is thrown.
    """

    plugin: str
    what: str
    thread: int
    deadline: float  # of time.monotonic
    may_leave: bool
    exception_class: type[Hung] | None = None
    thrown_at: float = 0.0  # first exception; 0: none
    next_at: float = 0.0


class Watchdog:
    """Enforces timeouts on calls of one host. ``leave`` ends the process; None: nothing does."""

    def __init__(self, leave: Leave | None = None) -> None:
        self.leave = leave
        self._calls: dict[int, WatchedCall] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextmanager
    def watch(
        self, plugin: str, what: str, budget: float, *, may_leave: bool
    ) -> Iterator[WatchedCall]:
        """Watch what happens inside; the ``kind`` of what is thrown there if it hangs."""
        limit = max(MIN_SECONDS, BUDGET_FACTOR * budget)
        now = time.monotonic()
        call = WatchedCall(plugin, what, threading.get_ident(), now + limit, may_leave)
        number = next(self._numbers)
        with self._lock:
            self._calls[number] = call
            self._start_thread()
        try:
            yield call
        finally:
            with self._lock:
                self._calls.pop(number, None)
                if call.thrown_at:
                    _throw_into(call.thread, None)  # what has not arrived shall not

    def _start_thread(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="plugin-watchdog", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        idle = 0
        while True:
            time.sleep(POLL_SECONDS)
            stuck = self._check_calls(time.monotonic())
            if stuck is not None and self.leave is not None:
                self.leave(stuck.plugin, stuck.what)
            with self._lock:
                idle = 0 if self._calls else idle + 1
                if idle >= IDLE_POLLS:
                    self._thread = None
                    return

    def _check_calls(self, now: float) -> WatchedCall | None:
        """Throw into what is over its time; a call that has not listened for too long."""
        with self._lock:
            for call in self._calls.values():
                if now < max(call.deadline, call.next_at):
                    continue
                if call.thrown_at and now - call.thrown_at > LEAVE_SECONDS and call.may_leave:
                    return call
                call.exception_class = call.exception_class or type("Hung", (Hung,), {})
                call.thrown_at = call.thrown_at or now
                call.next_at = now + RETHROW_SECONDS
                _throw_into(call.thread, call.exception_class)
        return None


def _throw_into(thread: int, kind: type[Hung] | None) -> None:
    """Have a thread raise ``kind`` at its next step in Python; None takes back what waits."""
    what = None if kind is None else ctypes.py_object(kind)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), what)
