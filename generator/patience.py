"""Waiting that counts the time in which this process ran.

A virtual machine may stand still for minutes. A time limit read off a clock is over when it goes
on, before anybody had the chance to use it; one counted in short sleeps is not.
"""

import threading
import time
from collections.abc import Callable, Iterator

SLICE = 0.25  # seconds of a sleep
LONGEST = 0.5  # seconds that one counts as at most: a longer one is a machine that stood still


def slices(seconds: float) -> Iterator[float]:
    """Times to sleep, one after another, until ``seconds`` have passed that this process ran."""
    left = seconds
    while left > 0:
        began = time.monotonic()
        yield min(left, SLICE)
        left -= min(time.monotonic() - began, LONGEST)


def after(seconds: float, act: Callable[[], None]) -> None:
    """Call ``act`` in a thread of its own once this process has run for so many seconds."""

    def wait() -> None:
        never = threading.Event()
        for each in slices(seconds):
            never.wait(each)
        act()

    threading.Thread(target=wait, name="patience", daemon=True).start()
