"""How tests wait, so that a machine which stands still fails none of them.

A virtual machine may be stopped for minutes, and its clocks jump when it goes on. So looks are
counted here and not seconds; and what happens in time is judged by a round in which time ran.
"""

import asyncio
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

POLL_SECONDS = 0.05  # seconds between two looks
MAX_POLLS = 2000  # 100 s of a machine that runs
TIMEOUT = 120.0  # seconds for what can only wait by the clock: sockets, locks, Chromium
STALL_SECONDS = 0.25  # seconds between two ticks after which time is said to have stood still
TICK_SECONDS = 0.02


def wait_until(
    condition: Callable[[], T],
    *,
    polls: int = MAX_POLLS,
    every: float = POLL_SECONDS,
    message: str = "",
) -> T:
    """The first true answer of ``condition``, asked ``polls`` times at most."""
    answer = condition()
    for _ in range(polls):
        if answer:
            return answer
        time.sleep(every)
        answer = condition()
    assert answer, message or f"it did not happen in {polls} looks, the last one saw {answer!r}"
    return answer


def result_of(future: "Future[T]") -> T:
    """What a future comes to."""
    wait_until(future.done)
    return future.result()


def exit_code(process: "subprocess.Popen[Any]") -> int:
    """The exit code of a process that is to end by itself."""
    wait_until(lambda: process.poll() is not None)
    return int(process.returncode)


def join_thread(thread: threading.Thread) -> None:
    """Wait until a thread has ended."""
    wait_until(lambda: not thread.is_alive())


def assert_quick(act: Callable[[], T], seconds: float, rounds: int = 5) -> T:
    """What ``act`` returns, once a round of it takes less than ``seconds`` of the processor.

    Slow code is slow in every round; a machine that stands still spoils one.
    """
    took = []
    for _ in range(rounds):
        began = time.process_time()
        result = act()
        took.append(time.process_time() - began)
        if took[-1] < seconds:
            return result
    raise AssertionError(f"each of {rounds} rounds took longer than {seconds} s: {took}")


class Ticks(threading.Thread):
    """Notes the longest time between two ticks."""

    def __init__(self) -> None:
        super().__init__(name="ticks", daemon=True)
        self.longest = 0.0
        self._over = threading.Event()

    def __enter__(self) -> "Ticks":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        """Tick until it is over."""
        last = time.monotonic()
        while not self._over.wait(TICK_SECONDS):
            now = time.monotonic()
            self.longest, last = max(self.longest, now - last), now


def retry_after_stalls(act: Callable[[int], T], rounds: int = 6) -> T:
    """What ``act`` returns, asked anew when it failed while the machine stood still.

    For tests of what happens within a time. ``act`` gets the number of the round, to begin with
    fresh names; a failure counts when no two ticks were further apart than ``STALL_SECONDS``.
    """
    for number in range(rounds):
        with Ticks() as ticks:
            try:
                return act(number)
            except AssertionError:
                failure_counts = ticks.longest < STALL_SECONDS or number == rounds - 1
                if failure_counts:
                    raise
    raise AssertionError("no round was asked for")


class Clock:
    """A clock that goes on when told to."""

    def __init__(self, now: float | None = None) -> None:
        self.now = time.time() if now is None else now

    def __call__(self) -> float:
        return self.now

    def skip(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


def run_coroutine(started: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns, run in a thread of its own: Playwright keeps a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, started).result()
