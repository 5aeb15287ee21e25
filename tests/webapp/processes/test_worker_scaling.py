"""How many workers run, on a clock of the test; and once around real processes."""

import logging
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.wait import Clock, exit_code, result_of, wait_until
from tests.webapp.processes.fake_easel import IDLE
from tests.webapp.processes.running_service import RunningService
from webapp.processes.worker_pool import WorkerPool, spread_over_devices
from webapp.processes.worker_scaling import ScaleTerms, WorkerScaler
from webapp.queues.contracts.frame import Frame
from webapp.queues.sharing import Sharing
from webapp.queues.sqlite.store import SqliteStore
from webapp.queues.worker_id import WorkerId
from webapp.settings.config import UnknownFlag, parse

IDLE_SECONDS = 300.0


class Workers:
    """Workers that start at once; the test says which have a job."""

    def __init__(self, least: int, most: int) -> None:
        self.clock = Clock(0.0)
        self.scaler = WorkerScaler(ScaleTerms(least, most, IDLE_SECONDS), self.clock)
        self.running = set(range(least))

    def look(self, *busy: int, waiting: int = 0, after: float = 0.0) -> set[int]:
        self.clock.skip(after)
        self.running = self.scaler.choose(self.running, busy, waiting)
        return self.running


def test_the_first_job_starts_a_worker_and_idleness_ends_it() -> None:
    workers = Workers(0, 4)
    assert workers.look(after=1000) == set()
    assert workers.look(waiting=1) == {0}
    assert workers.look(0, after=5000) == {0}  # a long job
    assert workers.look(after=IDLE_SECONDS - 1) == {0}
    assert workers.look(after=1) == set()


def test_as_many_run_as_there_are_jobs_and_not_more_than_allowed() -> None:
    workers = Workers(0, 3)
    assert workers.look(waiting=2) == {0, 1}
    assert workers.look(waiting=2, after=1) == {0, 1}  # they are on their way
    assert workers.look(0, 1, waiting=1) == {0, 1, 2}
    assert workers.look(0, 1, 2, waiting=50) == {0, 1, 2}


def test_who_was_idle_longest_ends_first_and_the_least_stay() -> None:
    workers = Workers(1, 3)
    workers.look(waiting=3)
    workers.look(0, 1, 2)
    workers.look(0, 1, after=100)  # 2 has been idle since
    assert workers.look(0, after=IDLE_SECONDS - 101) == {0, 1, 2}
    assert workers.look(0, after=1) == {0, 1}
    assert workers.look(after=10 * IDLE_SECONDS) == {0}
    assert workers.look(after=10 * IDLE_SECONDS) == {0}


def test_no_worker_ends_while_a_job_waits_for_it() -> None:
    workers = Workers(0, 2)
    workers.look(waiting=1)
    assert workers.look(waiting=1, after=10 * IDLE_SECONDS) == {0}  # slow to start


def test_a_worker_that_is_started_again_begins_to_be_idle_anew() -> None:
    workers = Workers(0, 1)
    workers.look(waiting=1)
    assert workers.look(after=IDLE_SECONDS) == set()
    assert workers.look(waiting=1, after=IDLE_SECONDS) == {0}
    assert workers.look(after=IDLE_SECONDS - 1) == {0}


@pytest.mark.parametrize(
    ("least", "most", "expected"),
    [
        (None, None, (2, 2)),
        (0, None, (0, 2)),
        (3, None, (3, 3)),
        (None, 1, (1, 1)),
        (1, 4, (1, 4)),
        (None, 0, (0, 0)),
    ],
)
def test_what_flags_leave_open_follows_the_devices(
    least: int | None, most: int | None, expected: tuple[int, int]
) -> None:
    terms = ScaleTerms.of_flags(least, most, 300, devices=2)
    assert (terms.least, terms.most) == expected
    assert terms.is_fixed == (expected[0] == expected[1])


def test_workers_beyond_one_a_device_share_the_devices() -> None:
    spread = spread_over_devices(("cuda:0", "cuda:1"), 3)
    assert spread == [("cuda:0", "cuda:0"), ("cuda:1", "cuda:1"), ("cuda:0 (2)", "cuda:0")]
    assert spread_over_devices(("cuda:0", "cuda:1"), 1) == [("cuda:0", "cuda:0")]
    assert spread_over_devices(("cuda:0", "cuda:1"), 0) == []  # others join


def test_jobs_that_a_limit_holds_back_start_no_worker(tmp_path: Path) -> None:
    """The second of one's jobs, where one may run at once."""
    store = SqliteStore(tmp_path / ".easel/queue.db")
    woken: list[str] = []
    workers: Any = [
        SimpleNamespace(name=name, is_wanted=False, pid=None, wake=partial(woken.append, name))
        for name in ("one", "two")
    ]
    pool = WorkerPool(workers, WorkerScaler(ScaleTerms(0, 2, 60.0)), logging.getLogger("test"))
    for name in ("a", "b"):
        store.put(Frame(name, "generate", b"", owner="ann", sharing=Sharing(most_running=1)))
    assert store.take(WorkerId("cpu"), (), 0) is not None
    pool.scale(store)
    assert woken == []
    store.put(Frame("c", "generate", b"", owner="bob"))
    pool.scale(store)
    assert len(woken) == 2  # one for each that waits: which may run is not counted
    store.close()


def test_more_workers_at_least_than_at_most_are_refused() -> None:
    with pytest.raises(UnknownFlag, match="--workers-min 3 is more than --workers-max 2"):
        parse(["--workers-min", "3", "--workers-max", "2"], {})


@pytest.fixture
def asleep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningService]:
    """A service of no worker, and of one that ends after a second without a job."""
    monkeypatch.setenv(IDLE, "1")
    service = RunningService(tmp_path / "data", workers=0)
    yield service
    service.end()


def test_a_service_without_workers_answers_and_goes_back_to_none(asleep: RunningService) -> None:
    def count_processes() -> int:
        return len(asleep.processes())

    assert count_processes() == 2
    for _ in range(2):
        assert asleep.draw("quick")[0] == 200
        wait_until(lambda: count_processes() == 2)
        wait_until(lambda: asleep.store.workers() == [])
    assert asleep.log().count("is started: 1 job(s) wait") == 2
    assert asleep.log().count("had nothing to do and is ended") == 2
    assert "started again" not in asleep.log()
    drawn = asleep.later("slow")
    wait_until(lambda: asleep.working() and asleep.store.workers())
    os.kill(asleep.worker(), signal.SIGKILL)  # one that dies is started again as ever
    assert result_of(drawn)[0] == 200
    asleep.process.terminate()
    assert exit_code(asleep.process) == 0
    assert asleep.processes() == []
