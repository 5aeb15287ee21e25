"""When waiting frames will be taken, by the match rule and their predicted seconds. Pure.

A simulation: whichever worker is free first takes what :func:`choose_next` gives it, and is busy
for what was predicted; so long the frame counts as its owner's running job. Loading of checkpoints,
jobs that come later and workers that come or leave are not foreseen.
"""

import heapq
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from webapp.queues.contracts.frame import Frame
from webapp.queues.scheduler import (
    Account,
    AccountKey,
    Candidate,
    Match,
    MatchTerms,
    Turns,
    choose_next,
)
from webapp.queues.sharing import NOTHING_RUNS, RunningJobs, Sharing, count_running

MAX_COMPARED = 40_000
"""Heads that are compared at most, in some 0.1 s; frames behind go by priority and age."""

Lane = tuple[int, str, str]  # priority, owner, checkpoint


@dataclass(frozen=True, slots=True)
class WorkerOutlook:
    """When a worker is free, in seconds from now, and what it has in memory then."""

    free_in: float = 0.0
    loaded: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RunningOutlook:
    """A job that runs, as limits count it; it ends in so many seconds."""

    owner: str
    sharing: Sharing
    ends_in: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a forecast begins with."""

    accounts: Mapping[AccountKey, Account]
    workers: Sequence[WorkerOutlook]  # one at least
    now: float  # unix seconds
    terms: MatchTerms = field(default_factory=MatchTerms)
    running: Sequence[RunningOutlook] = ()


def forecast_takes(frames: Iterable[Frame], outlook: Outlook) -> Iterator[tuple[Frame, float]]:
    """Waiting frames in the order in which they are taken, and in how many seconds each is."""
    board = _Board(list(frames), outlook)
    compared = 0
    while board.heads and compared < MAX_COMPARED:
        compared += len(board.heads)
        yield board.take()
    for frame in board.frames_left():
        yield frame, board.give(frame)


class _Board:
    """A queue and its workers while they are played forward."""

    def __init__(self, frames: Sequence[Frame], outlook: Outlook) -> None:
        self.lanes = lanes_of(frames)
        self.heads = {lane: candidate_of(waiting[0]) for lane, waiting in self.lanes.items()}
        self.now, self.terms = outlook.now, outlook.terms
        self.accounts: dict[AccountKey, Account] = {}
        self.rounds: dict[int, int] = {}
        self.keep(outlook.accounts)
        self.turns = Turns(
            lambda priority, owner: self.accounts.get((priority, owner)),
            lambda priority: self.rounds.get(priority, 0),
        )
        self.free = [(worker.free_in, n) for n, worker in enumerate(outlook.workers)]
        heapq.heapify(self.free)
        self.loaded = [tuple(worker.loaded) for worker in outlook.workers]
        self.running = list(outlook.running)
        self.is_bounded = any(is_bounded(frame.sharing) for frame in frames)

    def keep(self, accounts: Mapping[AccountKey, Account]) -> None:
        """Accounts as the rule left them."""
        self.accounts |= accounts
        for (priority, _), account in accounts.items():
            self.rounds[priority] = max(self.rounds.get(priority, 0), account.round)

    def take(self) -> tuple[Frame, float]:
        """The next frame by the match rule, and in how many seconds it is taken."""
        while (match := self.match(self.running_jobs())) is None:
            if not self.wait_for_an_end():
                match = self.match(NOTHING_RUNS)  # a limit that nothing seems to fill
                break
        if match is None:
            raise AssertionError("the rule gives a frame wherever one waits")
        self.keep(match.accounts)
        lane = lane_of(match.frame)
        frame = self.lanes[lane].popleft()
        if self.lanes[lane]:
            self.heads[lane] = candidate_of(self.lanes[lane][0])
        else:
            del self.heads[lane]
        return frame, self.give(frame)

    def match(self, running: RunningJobs) -> Match | None:
        """What the rule gives to the worker that is free first."""
        moment, worker = self.free[0]
        loaded, now = self.loaded[worker], self.now + moment
        return choose_next(self.heads.values(), self.turns, loaded, now, self.terms, running)

    def running_jobs(self) -> RunningJobs:
        """What runs when the next worker is free; nothing where nobody's limit asks for it."""
        if not self.is_bounded:
            return NOTHING_RUNS
        moment, _ = self.free[0]
        self.running = [job for job in self.running if job.ends_in > moment]
        return count_running((job.owner, job.sharing) for job in self.running)

    def wait_for_an_end(self) -> bool:
        """The next worker waits until a job ends whose owner's limit holds back all that waits."""
        moment, worker = self.free[0]
        ends = [job.ends_in for job in self.running if job.ends_in > moment]
        if ends:
            heapq.heapreplace(self.free, (min(ends), worker))
        return bool(ends)

    def give(self, frame: Frame) -> float:
        """Give a frame to the worker that is free first; in how many seconds that is."""
        moment, worker = self.free[0]
        end = moment + frame.predicted_seconds
        heapq.heapreplace(self.free, (end, worker))
        self.running.append(RunningOutlook(frame.owner, frame.sharing, end))
        self.loaded[worker] = held_after(self.loaded[worker], frame.checkpoint)
        return moment

    def frames_left(self) -> Sequence[Frame]:
        """What waits still, by priority and age."""
        left = [frame for waiting in self.lanes.values() for frame in waiting]
        return sorted(left, key=lambda frame: (-frame.priority, frame.index))


def lanes_of(frames: Iterable[Frame]) -> dict[Lane, deque[Frame]]:
    """Frames by priority, owner and checkpoint, the oldest of each first."""
    lanes: dict[Lane, deque[Frame]] = {}
    for frame in sorted(frames, key=lambda each: each.index):
        lanes.setdefault(lane_of(frame), deque()).append(frame)
    return lanes


def lane_of(frame: Frame | Candidate) -> Lane:
    """Among which frames one is taken in the order of age."""
    return frame.priority, frame.owner, frame.checkpoint


def candidate_of(frame: Frame) -> Candidate:
    """A frame as the match rule looks at it."""
    return Candidate(
        frame.index,
        frame.owner,
        frame.priority,
        frame.checkpoint,
        frame.put_at,
        frame.predicted_seconds,
        frame.weight,
        sharing=frame.sharing,
    )


def is_bounded(sharing: Sharing) -> bool:
    """Whether somebody's running jobs are limited."""
    return bool(sharing.most_running or sharing.most_running_of_group)


def held_after(held: tuple[str, ...], checkpoint: str) -> tuple[str, ...]:
    """What a worker has in memory after a job: as many checkpoints as before, its own first."""
    if not checkpoint or checkpoint in held:
        return held
    return (checkpoint, *held)[: max(len(held), 1)]
