"""How a worker ends: by a signal, with its lost queue, or with a device that takes no more work."""

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

from generator.run_timer import call_after

SIGTERM_GRACE = 30.0  # seconds for the running job after the first SIGTERM
FORCED_EXIT_GRACE = 2.0  # ... after the second, or after the grace for a step that does not end
SAME_SIGNAL_SECONDS = (
    1.0  # a terminal's Ctrl-C reaches the worker twice: directly and by the supervisor
)


class Shutdown:
    """Whether the worker shall end (``draining``), and give its job back (``abandoned``)."""

    def __init__(self, is_busy: Callable[[], bool], give_back: Callable[[], None]) -> None:
        """``is_busy``: whether a job runs; ``give_back`` gives it back when it does not stop."""
        self.is_busy = is_busy
        self.give_back = give_back
        self.grace = SIGTERM_GRACE
        self.draining = threading.Event()
        self.abandoned = threading.Event()
        self.exit_code = 0
        self._signalled_at: float | None = None

    def listen_to_signals(self) -> None:
        """SIGTERM or SIGINT: finish the running job within the grace. Again: give it back now."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._signalled_at is None:
            self._signalled_at = now
            self.draining.set()
            call_after(self.grace if self.is_busy() else 0.0, self.abandon)
        elif now - self._signalled_at > SAME_SIGNAL_SECONDS:
            call_after(0.0, self.abandon)

    def end_after_job(self, exit_code: int) -> None:
        """Take no more jobs, and end with this code when the running one is answered."""
        self.exit_code = exit_code
        self.draining.set()

    def end_now(self, exit_code: int) -> None:
        """As :meth:`end_after_job`, but give the running job back."""
        self.end_after_job(exit_code)
        self.abandon()

    def abandon(self) -> None:
        """Give the job back at its next step, or by force if that does not come."""
        self.abandoned.set()
        call_after(FORCED_EXIT_GRACE, self._exit)

    def _exit(self) -> None:
        self.give_back()
        os._exit(self.exit_code)
