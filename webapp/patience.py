"""Waiting that counts the time in which this process ran.

A virtual machine may stand still for minutes. A grace read off a clock is over when it goes on,
before anybody had the chance to use it; one counted in short sleeps is not.
"""

import threading
import time
from collections.abc import Callable

SLICE = 0.25  # seconds of a sleep
LONGEST = 0.5  # seconds that a sleep counts as at most: a longer one is a machine that stood still


def ran_since(began: float) -> float:
    """Seconds that a short sleep counts as; ``began`` is of :func:`time.monotonic`."""
    return min(time.monotonic() - began, LONGEST)


def after(seconds: float, act: Callable[[], None]) -> None:
    """Call ``act`` in a thread of its own once this process has run for so many seconds."""

    def wait() -> None:
        never, left = threading.Event(), seconds
        while left > 0:
            began = time.monotonic()
            never.wait(min(left, SLICE))
            left -= ran_since(began)
        act()

    threading.Thread(target=wait, name="patience", daemon=True).start()
