"""Timeouts in the running time of this process, not of the clock.

A virtual machine may be suspended for minutes; a timeout by the clock would have expired when it
resumes. Here time is counted in short sleeps, and a long one counts only in part.
"""

import threading
import time
from collections.abc import Callable, Iterator

SLICE_SECONDS = 0.25  # seconds of a sleep
MAX_COUNTED_SECONDS = (
    0.5  # seconds that one counts as at most: a longer one is a machine that stood still
)


def sleep_slices(seconds: float) -> Iterator[float]:
    """Yield times to sleep, in seconds, until the process has run for ``seconds``."""
    left = seconds
    while left > 0:
        began = time.monotonic()
        yield min(left, SLICE_SECONDS)
        left -= min(time.monotonic() - began, MAX_COUNTED_SECONDS)


def call_after(seconds: float, act: Callable[[], None]) -> None:
    """Call ``act`` in a thread of its own once this process has run for so many seconds."""

    def wait() -> None:
        never = threading.Event()
        for each in sleep_slices(seconds):
            never.wait(each)
        act()

    threading.Thread(target=wait, name="patience", daemon=True).start()
