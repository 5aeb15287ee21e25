"""Notices in the supervisor that a worker's main thread gets no further, and says when to end it.

Only seconds in which the supervisor itself ran are counted: where the machine stood still, the
worker stood still with it.
"""

from enum import StrEnum

from generator.run_timer import MAX_COUNTED_SECONDS
from webapp.worker.progress_mark import ProgressMark

KILL_GRACE = 5.0  # seconds from SIGTERM to SIGKILL, and from that to giving the process up


class HangAction(StrEnum):
    """What the supervisor does with a worker that makes no progress."""

    LET_BE = "let be"
    ASK = "ask"  # SIGTERM
    KILL = "kill"  # SIGKILL, with its children
    LEAVE = "leave"  # it cannot be killed (a dead mount); start another


class HangWatch:
    """Counts for how long one worker has made no progress."""

    def __init__(self, mark: ProgressMark) -> None:
        self.mark = mark
        self.stalled_seconds = 0.0  # seconds
        self.allowed = 0.0  # seconds, as the worker said last
        self._beats = -1
        self._last_action = HangAction.LET_BE

    def begin(self, allowed: float) -> None:
        """A worker is started; it may take so many seconds until its first sign of progress."""
        self.mark.beat(allowed)
        self._last_action = HangAction.LET_BE

    def check(self, ran: float) -> HangAction:
        """What to do now, each answer once; ``ran`` is the seconds since the last look."""
        beats, self.allowed = self.mark.read()
        if beats != self._beats:
            self._beats, self.stalled_seconds, self._last_action = beats, 0.0, HangAction.LET_BE
            return HangAction.LET_BE
        self.stalled_seconds += min(ran, MAX_COUNTED_SECONDS)
        due = self._due_action(self.stalled_seconds - self.allowed)
        if due is self._last_action:
            return HangAction.LET_BE
        self._last_action = due
        return due

    def _due_action(self, over: float) -> HangAction:
        if over <= 0:
            return HangAction.LET_BE
        grace = min(KILL_GRACE, self.allowed)
        if over <= grace:
            return HangAction.ASK
        return HangAction.KILL if over <= 2 * grace else HangAction.LEAVE
