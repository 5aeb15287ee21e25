"""Notices in the supervisor that a worker's main thread gets no further, and says when to end it.

Only seconds in which the supervisor itself ran are counted: where the machine stood still, the
worker stood still with it.
"""

from enum import StrEnum

from generator.patience import LONGEST
from webapp.progress_mark import ProgressMark

GRACE = 5.0  # seconds from SIGTERM to SIGKILL, and from that to giving the process up


class Verdict(StrEnum):
    """What the supervisor does with a worker that makes no progress."""

    LET_BE = "let be"
    ASK = "ask"  # SIGTERM
    KILL = "kill"  # SIGKILL, with its children
    LEAVE = "leave"  # it cannot be killed (a dead mount); start another


class HangWatch:
    """Counts for how long one worker has made no progress."""

    def __init__(self, mark: ProgressMark) -> None:
        self.mark = mark
        self.still = 0.0  # seconds
        self.allowed = 0.0  # seconds, as the worker said last
        self._beats = -1
        self._given = Verdict.LET_BE

    def begin(self, allowed: float) -> None:
        """A worker is started; it may take so many seconds until its first sign of progress."""
        self.mark.beat(allowed)
        self._given = Verdict.LET_BE

    def look(self, ran: float) -> Verdict:
        """What to do now, each answer once; ``ran`` is the seconds since the last look."""
        beats, self.allowed = self.mark.read()
        if beats != self._beats:
            self._beats, self.still, self._given = beats, 0.0, Verdict.LET_BE
            return Verdict.LET_BE
        self.still += min(ran, LONGEST)
        due = self._due(self.still - self.allowed)
        if due is self._given:
            return Verdict.LET_BE
        self._given = due
        return due

    def _due(self, over: float) -> Verdict:
        if over <= 0:
            return Verdict.LET_BE
        grace = min(GRACE, self.allowed)
        if over <= grace:
            return Verdict.ASK
        return Verdict.KILL if over <= 2 * grace else Verdict.LEAVE
