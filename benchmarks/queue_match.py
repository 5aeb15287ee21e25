"""The match rule in simulation: 20 users, 5 checkpoints, 4 workers, some users heavy.

``python -m benchmarks.queue_match`` prints two tables, and ``--write`` puts them into RESULTS.md.
No store and no model: events on a clock of its own, the service's rule and its cost model.
"""

import heapq
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from random import Random

from webapp.queues.cost_model import predict_seconds, update_pace
from webapp.queues.scheduler import (
    Account,
    AccountKey,
    Candidate,
    MatchTerms,
    Turns,
    choose_next,
)

USERS, CHECKPOINTS, WORKERS = 20, 5, 4
SECONDS = 6 * 3600.0
LOAD_SECONDS = 8.0  # a checkpoint from the disk
JOB_SECONDS = (1.0, 12.0)  # of one job of a light user, on the GPU
HEAVY_FACTORS = (1, 2, 3, 4, 5)  # times as long are those of each heavy user
THINK_SECONDS = 240.0  # of a light user between two jobs, on average
BATCH = (30, 90)  # jobs that a heavy user sends at once
REFILL = 10  # jobs left of a batch when a heavy user sends the next: one always waits
SECONDS_PER_WORK = 0.25  # GPU seconds a megapixel-step, which the cost model has to learn
NOISE = 0.15  # share by which a job takes more or less than its work says
WARM_UP = 900.0  # seconds before anything is counted: the first batches come all at once
SEED = 20
START, END = "<!-- queue_match -->", "<!-- /queue_match -->"


@dataclass(frozen=True, slots=True)
class Job:
    """A frame and what it will really take."""

    index: int
    owner: str
    checkpoint: str
    put_at: float
    work: float  # megapixel-steps
    seconds: float  # on the GPU, without loading
    predicted: float


@dataclass(slots=True)
class Queue:
    """Waiting jobs by owner and checkpoint, accounts and paces, as a store keeps them."""

    terms: MatchTerms
    lanes: dict[tuple[str, str], list[Job]] = field(default_factory=lambda: defaultdict(list))
    accounts: dict[AccountKey, Account] = field(default_factory=dict)
    paces: dict[str, float] = field(default_factory=dict)

    def put(self, job: Job) -> None:
        self.lanes[job.owner, job.checkpoint].append(job)

    def heads(self) -> list[Job]:
        return [lane[0] for lane in self.lanes.values() if lane]

    def remove(self, job: Job) -> Job:
        self.lanes[job.owner, job.checkpoint].pop(0)
        return job

    def end(self, job: Job, took: float) -> None:
        """A job has ended: its owner is charged what it took, and the pace learned."""
        self.paces[job.checkpoint] = update_pace(self.paces.get(job.checkpoint), job.work, took)
        account = self.accounts.get((0, job.owner))
        if account is not None:
            deficit = account.deficit + job.predicted - took
            self.accounts[0, job.owner] = replace(account, deficit=deficit)


Choose = Callable[[Queue, str, float], Job]
"""Takes a job for a worker that holds a checkpoint; something waits."""


def first_come(queue: Queue, loaded: str, now: float) -> Job:
    """First in, first out."""
    return queue.remove(min(queue.heads(), key=lambda job: job.index))


def by_the_rule(queue: Queue, loaded: str, now: float) -> Job:
    """The service's rule."""
    jobs = {job.index: job for job in queue.heads()}
    rounds = [account.round for account in queue.accounts.values()]
    match = choose_next(
        [
            Candidate(job.index, job.owner, 0, job.checkpoint, job.put_at, job.predicted)
            for job in jobs.values()
        ],
        Turns(lambda priority, owner: queue.accounts.get((priority, owner)),
              lambda _: max(rounds, default=0)),
        {loaded},
        now,
        queue.terms,
    )  # fmt: skip
    assert match is not None
    queue.accounts.update(match.accounts)
    return queue.remove(jobs[match.frame.index])


def blind(queue: Queue, loaded: str, now: float) -> Job:
    """The service's rule, without the preference for what is in memory."""
    return by_the_rule(queue, "none", now)


class Simulation:
    """Users who send, workers who take; the same jobs whatever the rule."""

    def __init__(self, choose: Choose) -> None:
        self.choose, self.queue = choose, Queue(MatchTerms())
        self.numbers, self.now = count(1), 0.0
        self.users = [
            f"{'heavy' if n < len(HEAVY_FACTORS) else 'light'} {n + 1}" for n in range(USERS)
        ]
        self.random = {user: Random(f"{SEED} {user}") for user in self.users}
        self.unanswered: Counter[str] = Counter()
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.free, self.loaded = list(range(WORKERS)), [""] * WORKERS
        self.used, self.asked = Counter[str](), Counter[str]()
        self.waits: dict[str, list[float]] = defaultdict(list)
        self.switches = self.jobs = 0

    def at(self, moment: float, act: Callable[[], None]) -> None:
        heapq.heappush(self.events, (moment, next(self.numbers), act))

    def run(self) -> "Simulation":
        for user in self.users:
            self.at(self.random[user].uniform(0, THINK_SECONDS), partial(self.send, user))
        while self.events and self.events[0][0] < SECONDS:
            self.now, _, act = heapq.heappop(self.events)
            act()
            self.start_workers()
        return self

    def send(self, user: str) -> None:
        """A light user sends one job, a heavy one a batch; two checkpoints are a user's own."""
        random, heavy = self.random[user], user.startswith("heavy")
        number = self.users.index(user)
        for _ in range(random.randint(*BATCH) if heavy else 1):
            checkpoint = f"sd{(number + (random.random() < 0.3)) % CHECKPOINTS}"
            seconds = random.uniform(*JOB_SECONDS) * (HEAVY_FACTORS[number] if heavy else 1)
            work = seconds / SECONDS_PER_WORK - 1
            seconds *= random.uniform(1 - NOISE, 1 + NOISE)
            predicted = predict_seconds(work, self.queue.paces.get(checkpoint))
            job = Job(next(self.numbers), user, checkpoint, self.now, work, seconds, predicted)
            self.queue.put(job)
            self.unanswered[user] += 1

    def start_workers(self) -> None:
        """Free workers take what waits, the one that was free longest first."""
        while self.free and self.queue.heads():
            worker = self.free.pop(0)
            job = self.choose(self.queue, self.loaded[worker], self.now)
            cold = self.loaded[worker] != job.checkpoint
            took = job.seconds + LOAD_SECONDS * cold
            self.loaded[worker] = job.checkpoint
            if self.now >= WARM_UP:
                self.switches += cold
                self.jobs += 1
                self.waits[job.owner].append(self.now - job.put_at)
            self.at(self.now + took, partial(self.end, worker, job, took))

    def end(self, worker: int, job: Job, took: float) -> None:
        self.free.append(worker)
        self.queue.end(job, took)
        if self.now >= WARM_UP:
            self.used[job.owner] += took  # type: ignore[assignment]
        self.unanswered[job.owner] -= 1
        if job.owner.startswith("heavy"):
            if self.unanswered[job.owner] == REFILL:
                self.send(job.owner)
        else:
            thinking = self.random[job.owner].expovariate(1 / THINK_SECONDS)
            self.at(self.now + thinking, partial(self.send, job.owner))


def fair_shares(used: Mapping[str, float], limited: Sequence[str]) -> dict[str, float]:
    """GPU seconds of each user by equal weights: who asks for less than an even part gets that.

    ``limited`` are the users who asked for no more than they used; what they leave is shared by
    the others.
    """
    shares = {user: used[user] for user in limited}
    others = [user for user in used if user not in shares]
    left = sum(used.values()) - sum(shares.values())
    return shares | {user: left / len(others) for user in others}


def quantiles(waits: Sequence[float]) -> tuple[float, float]:
    """The median and the 95th percentile."""
    return statistics.median(waits), statistics.quantiles(waits, n=20)[-1]


def tables() -> str:
    """Both tables in Markdown."""
    rules = {"first in, first out": first_come, "without warm preference": blind,
             "the match rule": by_the_rule}  # fmt: skip
    runs = {name: Simulation(choose).run() for name, choose in rules.items()}
    lines = [
        "| rule | jobs | checkpoint switches | a job | light users: p50, p95 wait, s "
        "| heavy users: p50, p95 wait, s | largest : least GPU seconds of heavy users |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, run in runs.items():
        cells = []
        for kind in ("light", "heavy"):
            waits = [
                wait for user in run.users if user.startswith(kind) for wait in run.waits[user]
            ]
            cells.append("{:.0f}, {:.0f}".format(*quantiles(waits)))
        heavy = [run.used[user] for user in run.users if user.startswith("heavy")]
        lines.append(
            f"| {name} | {run.jobs} | {run.switches} | {run.switches / run.jobs:.2f} | {cells[0]} "
            f"| {cells[1]} | {max(heavy) / min(heavy):.2f} |"
        )
    return "\n".join([*lines, "", *user_table(runs["the match rule"])])


def user_table(run: Simulation) -> list[str]:
    """Each user's part of the GPU time under the match rule."""
    used = {user: float(run.used[user]) for user in run.users}
    fair = fair_shares(used, [user for user in run.users if user.startswith("light")])
    lines = ["| user | jobs | share of GPU seconds | fair share | p50, p95 wait, s |",
             "|---|---|---|---|---|"]  # fmt: skip
    total = sum(used.values())
    for user in run.users:
        middle, late = quantiles(run.waits[user])
        lines.append(
            f"| {user} | {len(run.waits[user])} | {used[user] / total:.1%} "
            f"| {fair[user] / total:.1%} | {middle:.0f}, {late:.0f} |"
        )
    return lines


def main() -> None:
    """Print the tables, and write them down where that is asked for."""
    text = tables()
    print(text)
    if "--write" in sys.argv[1:]:
        results = Path(__file__).with_name("RESULTS.md")
        before, _, rest = results.read_text().partition(START)
        _, _, after = rest.partition(END)
        results.write_text(f"{before}{START}\n{text}\n{END}{after}")


if __name__ == "__main__":
    main()
