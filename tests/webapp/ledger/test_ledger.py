"""The ledger, over each kind of database."""

import threading
from dataclasses import replace

import pytest

from tests.webapp.ledger.sample_charges import CHARGE, NOON
from webapp.ledger.ledger import Ledger, Usage
from webapp.ledger.utc_days import day_of, first_day_kept, start_of_day
from webapp.queues.contracts.charges import BusyTime, Outcome

USAGE = Usage(1, 10.0, 8.0, 2.0, 2, 5.0, 1000)


def test_a_charge_is_written_once(ledger: Ledger) -> None:
    assert ledger.record(CHARGE)
    assert not ledger.record(CHARGE)
    assert ledger.record_all([CHARGE, replace(CHARGE, job="j2")]) == 1
    assert ledger.used("ann", NOON) == USAGE + USAGE
    assert ledger.used("bob", 0) == Usage()
    assert ledger.used_by_group("studio", 0) == USAGE + USAGE
    assert ledger.used_by_group("", 0) == Usage()


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.LOST, Outcome.RETURNED])
def test_what_came_to_nothing_is_marked(ledger: Ledger, outcome: Outcome) -> None:
    ledger.record(replace(CHARGE, outcome=outcome))
    ledger.record(replace(CHARGE, delivery="d2"))
    marked = Usage(unbilled_jobs=1, unbilled_seconds=10.0)
    assert ledger.used("ann", NOON - 1) == USAGE + marked
    assert ledger.used("ann", start_of_day("2026-11-10")) == USAGE + marked


def test_what_counts_since_a_moment(ledger: Ledger) -> None:
    for number, at in enumerate((NOON - 86400, NOON - 60, NOON, NOON + 86400)):
        ledger.record(replace(CHARGE, job=f"j{number}", ended_at=at))
    jobs = [ledger.used("ann", at).jobs for at in (0, NOON - 60, NOON, NOON + 1, NOON + 86401)]
    assert jobs == [4, 3, 2, 1, 0]
    assert ledger.compact("2026-11-11") == 3
    assert ledger.used("ann", 0).jobs == 4
    assert ledger.used("ann", start_of_day("2026-11-10")).jobs == 3


def test_threads_that_write_the_same_day_lose_nothing(ledger: Ledger) -> None:
    def write(half: int) -> None:
        for number in range(20):
            ledger.record_all([
                replace(CHARGE, job=f"{half}-{number}-{each}", user=f"u{each % 2}")
                for each in range(4)
            ] + [replace(CHARGE, job=f"both-{number}", user="u0")])  # fmt: skip

    threads = [threading.Thread(target=write, args=(half,)) for half in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (ledger.used("u0", 0).jobs, ledger.used("u1", 0).jobs) == (100, 80)


def test_a_workers_time_only_grows(ledger: Ledger) -> None:
    busy = BusyTime("w:1", "2026-11-10", "cuda:0@host", 5.0)
    for seconds in (5.0, 9.0, 9.0, 7.0):
        ledger.record_busy([replace(busy, seconds=seconds)])
    ledger.record_busy([replace(busy, worker="w:2", seconds=1.0)])
    assert ledger.busy_seconds("2026-11-01", "2026-12-01") == 10.0
    for _ in range(2):
        ledger.compact("2026-11-11")
    ledger.record_busy([replace(busy, day="2026-11-11")])
    assert ledger.busy_seconds("2026-11-01", "2026-12-01") == 15.0


def test_texts_that_do_not_fit_are_cut(ledger: Ledger) -> None:
    ledger.record(replace(CHARGE, user="u" * 100, model="\0" + "m" * 400, device="d\ud800"))
    assert ledger.used("u" * 64, 0) == USAGE


def test_days_are_those_of_utc() -> None:
    assert day_of(0) == "1970-01-01"
    assert start_of_day("1970-01-02") == 86400
    assert first_day_kept(2, NOON) == "2026-09-01"
    assert first_day_kept(13, NOON) == "2025-10-01"
