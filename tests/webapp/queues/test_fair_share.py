"""Twenty users on one worker, two of whom send a hundred times as much as the others.

The clock is simulated: nothing here takes the time that it tells.
"""

import heapq
import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from random import Random

import pytest

from webapp.ledger.drain import drain
from webapp.ledger.handle import LedgerHandle
from webapp.queues.contracts.frame import Answer, Frame
from webapp.queues.contracts.queue_store import QueueStore
from webapp.queues.job_limit import JobLimit
from webapp.queues.plans import Limits, Plan
from webapp.queues.worker_id import WorkerId

START = 1_800_000_000.0  # unix seconds
HEAVY, LIGHT = ("heavy 1", "heavy 2"), tuple(f"light {number}" for number in range(18))
LIGHT_JOBS, TIMES_AS_MANY = 3, 100
JOB_SECONDS = 1.0  # that a job takes alone
THINK_SECONDS = 120.0  # of a light user between two jobs, on average
LONGEST = 2.0  # megapixel-steps of the largest job that is let in
DRAWN = Answer(200, b"drawn")
WORKER = WorkerId("cpu")
Make = Callable[..., QueueStore]


class Members:
    """Everybody's plan: the heavy ones are in a group."""

    def plan_of(self, name: str, role: str) -> Plan:
        group = "farm" if name in HEAVY else ""
        return Plan(10_000, Limits(job_megapixel_steps=LONGEST), group)


class Day:
    """Users who send jobs, and a worker that draws them."""

    def __init__(self, store: QueueStore, limit: JobLimit, now: list[float]) -> None:
        self.store, self.limit, self.now = store, limit, now
        self.random, self.numbers = Random(18), count(1)
        self.due: list[tuple[float, str]] = []
        self.sent: Counter[str] = Counter()
        self.waits: dict[str, list[float]] = defaultdict(list)
        self.busy = 0.0

    def run(self) -> "Day":
        """Until every light user has its last answer."""
        for user in LIGHT:
            heapq.heappush(self.due, (START + self.random.uniform(0, THINK_SECONDS), user))
        for user in HEAVY * (LIGHT_JOBS * TIMES_AS_MANY):
            self.send(user)
        while any(len(self.waits[user]) < LIGHT_JOBS for user in LIGHT):
            while self.due and self.due[0][0] <= self.now[0]:
                self.send(heapq.heappop(self.due)[1])
            self.draw()
        return self

    def send(self, user: str) -> None:
        self.sent[user] += 1
        name = f"{next(self.numbers):032x}"
        self.limit.put(self.store, Frame(name, "generate", b"{}", owner=user, work=1.0))

    def draw(self) -> None:
        """Take the next job and end it; what was sent meanwhile was sent in the middle of it."""
        lease = self.store.take(WORKER, (), 0)
        assert lease is not None  # the heavy ones always wait
        frame = lease.frame
        began = self.now[0]
        seconds = JOB_SECONDS * self.random.uniform(0.9, 1.1)
        while self.due and self.due[0][0] <= began + seconds:
            self.now[0], user = heapq.heappop(self.due)
            self.send(user)
        self.now[0] = began + seconds
        assert self.store.answer(lease, DRAWN, seconds)
        self.busy += seconds
        self.waits[frame.owner].append(began - frame.put_at)
        if frame.owner in LIGHT and self.sent[frame.owner] < LIGHT_JOBS:
            thinks = self.random.expovariate(1 / THINK_SECONDS)
            heapq.heappush(self.due, (self.now[0] + thinks, frame.owner))


@pytest.fixture
def handle(memory_folder: Path) -> Iterator[LedgerHandle]:
    """An empty ledger in a file of its own."""
    opened = LedgerHandle(None, memory_folder)
    yield opened
    opened.close()


def test_light_users_hardly_wait_for_heavy_ones_and_the_ledger_adds_up(
    make: Make, handle: LedgerHandle, tmp_path: Path
) -> None:
    now = [START]
    store = make(clock=lambda: now[0], lease_seconds=1e6)
    day = Day(store, JobLimit(Members(), tmp_path, 0, clock=lambda: now[0]), now).run()
    assert {day.sent[user] for user in HEAVY} == {TIMES_AS_MANY * LIGHT_JOBS}
    assert {day.sent[user] for user in LIGHT} == {LIGHT_JOBS}
    waits = [wait for user in LIGHT for wait in day.waits[user]]
    assert statistics.quantiles(waits, n=20)[-1] <= 2 * JOB_SECONDS
    drawn = [len(day.waits[user]) for user in HEAVY]
    assert max(drawn) - min(drawn) <= 31  # a quantum of 30 s, and a job
    assert store.depth().waiting == sum(day.sent.values()) - sum(drawn) - len(waits)

    assert drain(store, handle) == sum(drawn) + len(waits)
    ledger = handle.get()
    used = {user: ledger.used(user, START).gpu_seconds for user in (*HEAVY, *LIGHT)}
    assert sum(used.values()) == pytest.approx(day.busy, rel=0.005)
    of_members = sum(used[user] for user in HEAVY)
    assert ledger.used_by_group("farm", START).gpu_seconds == pytest.approx(of_members, rel=0.005)
