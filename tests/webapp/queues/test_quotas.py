"""Quotas at the way into the queue of each engine, over what a ledger says."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.wait import Clock
from webapp.errors import error_answer, status_of
from webapp.queues.contracts.charges import GROUP_TAG
from webapp.queues.contracts.frame import Answer, Frame
from webapp.queues.contracts.queue_store import QueueStore
from webapp.queues.cost_model import DEFAULT_PACE
from webapp.queues.errors import JobTooLarge, QuotaExceeded
from webapp.queues.job_limit import JobLimit
from webapp.queues.plans import Limits, Plan
from webapp.queues.quotas import ASKED_TAG, Quotas, end_of, start_of
from webapp.queues.worker_id import WorkerId

NOW = datetime(2026, 11, 30, 22, 0, tzinfo=UTC).timestamp()
MIDNIGHT = NOW + 2 * 3600
Make = Callable[..., QueueStore]


@dataclass(frozen=True)
class Usage:
    """What somebody has used since a day's begin, and a month's."""

    gpu_seconds: float = 0.0
    pictures: int = 0


@dataclass
class Book:
    """A ledger, and the plans, as a test says them."""

    plans: dict[str, Plan] = field(default_factory=dict)
    usage: dict[str, Usage] = field(default_factory=dict)
    asked: list[tuple[str, float]] = field(default_factory=list)

    def plan_of(self, name: str, role: str) -> Plan:
        return self.plans.get(name, Plan(500))

    def used(self, user: str, since: float) -> Usage:
        self.asked.append((user, since))
        return self.usage.get(user, Usage())

    def used_by_group(self, group: str, since: float) -> Usage:
        return self.used(f"group {group}", since)


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def store(make: Make) -> QueueStore:
    return make()


@pytest.fixture
def limit(book: Book, tmp_path: Path) -> JobLimit:
    quotas = Quotas(lambda: book, lambda user: 700 if user == "ann" else 0)
    return JobLimit(book, tmp_path, 0, quotas=quotas, clock=lambda: NOW)


def frame(name: str, owner: str = "ann", pictures: int = 1, **fields: Any) -> Frame:
    return Frame(name, "generate", b"x", owner, tags={ASKED_TAG: str(pictures)}, **fields)


def bound(book: Book, name: str, **limits: float) -> None:
    book.plans[name] = Plan(500, Limits(**limits))  # type: ignore[arg-type]


def test_jobs_are_let_in_while_gpu_seconds_are_left(
    limit: JobLimit, store: QueueStore, book: Book
) -> None:
    bound(book, "ann", gpu_seconds_day=100.0)
    book.usage["ann"] = Usage(gpu_seconds=96.1)
    limit.put(store, frame("a", work=9.0))  # 2 s are predicted
    limit.put(store, frame("b", work=9.0))  # 1.9 s are left: it is let in
    with pytest.raises(QuotaExceeded) as refused:
        limit.put(store, frame("c", work=9.0))
    assert str(refused.value) == (
        "You have 100.0 GPU seconds a day; 96.1 are used, 4.0 are taken by jobs in the queue. "
        "What is used comes back at 2026-12-01T00:00+00:00; nothing was stored."
    )
    assert refused.value.facts == {
        "name": "gpu_seconds_day", "group": None, "limit": 100.0, "used": 96.1,
        "in_queue": 20 * DEFAULT_PACE, "resets_at": MIDNIGHT,
    }  # fmt: skip
    assert refused.value.retry_after == 7201
    assert [each.id for each in store.list_frames()] == ["a", "b"]
    limit.put(store, frame("x", owner="bob"))


def test_a_running_job_counts_until_it_is_in_the_ledger(
    limit: JobLimit, store: QueueStore, book: Book
) -> None:
    bound(book, "ann", gpu_seconds_month=2.0)
    limit.put(store, frame("a", work=9.0))
    lease = store.take(WorkerId("cpu"), (), 0)
    assert lease is not None
    with pytest.raises(QuotaExceeded, match=r"GPU seconds a month; 0\.0 are used, 2\.0 are taken"):
        limit.put(store, frame("b"))
    store.answer(lease, Answer(500, b""), 0.5)
    limit.put(store, frame("b"))


def test_no_more_pictures_than_the_quota_are_asked_for(
    limit: JobLimit, store: QueueStore, book: Book
) -> None:
    bound(book, "ann", pictures_month=10)
    book.usage["ann"] = Usage(pictures=5)
    limit.put(store, frame("a", pictures=3))
    with pytest.raises(QuotaExceeded, match=r"10 pictures a month; 5 .* 3 .* this job asks for 3"):
        limit.put(store, frame("b", pictures=3))
    limit.put(store, frame("c", pictures=2))
    with pytest.raises(QuotaExceeded):
        limit.put(store, frame("d", pictures=1))
    limit.put(store, frame("e", pictures=0))  # it draws none: nothing to refuse
    assert book.asked[0] == ("ann", datetime(2026, 11, 1, tzinfo=UTC).timestamp())


def test_a_groups_quota_is_for_its_members_together(
    limit: JobLimit, store: QueueStore, book: Book
) -> None:
    studio = Limits(pictures_day=4, waiting_jobs=3)
    for name in ("ann", "bob"):
        book.plans[name] = Plan(500, group="studio", group_limits=studio)
    book.usage["group studio"] = Usage(pictures=1)
    limit.put(store, frame("a"))
    limit.put(store, frame("b", owner="bob"))
    limit.put(store, frame("x", owner="carl"))
    with pytest.raises(QuotaExceeded, match="group 'studio' has 4 pictures a day") as refused:
        limit.put(store, frame("c", pictures=2))
    assert refused.value.facts["group"] == "studio"
    limit.put(store, frame("c"))
    with pytest.raises(QuotaExceeded, match="'studio' has 3 jobs waiting, of 3") as refused:
        limit.put(store, frame("d", owner="bob", pictures=0))
    assert (refused.value.retry_after, refused.value.facts["resets_at"]) == (5, None)
    assert {each.id: each.tags.get(GROUP_TAG) for each in store.list_frames()} == {
        "a": "studio", "b": "studio", "c": "studio", "x": None,
    }  # fmt: skip


def test_waiting_jobs_of_all_kinds_are_bounded_and_running_ones_are_not(
    limit: JobLimit, store: QueueStore, book: Book
) -> None:
    bound(book, "ann", waiting_jobs=2)
    limit.put(store, frame("a"))
    limit.put(store, replace(frame("b"), kind="extras"))
    with pytest.raises(QuotaExceeded, match="You have 2 jobs waiting, of 2 at most"):
        limit.put(store, frame("c"))
    assert store.take(WorkerId("cpu"), (), 0) is not None
    limit.put(store, frame("c"))
    store.release_worker(WorkerId("cpu"))  # what it had waits again
    with pytest.raises(QuotaExceeded, match="You have 3 jobs waiting, of 2 at most"):
        limit.put(store, frame("d"))


def test_the_largest_job_and_the_files_are_bounded(
    limit: JobLimit, store: QueueStore, book: Book
) -> None:
    bound(book, "ann", job_megapixel_steps=10.0)
    limit.put(store, frame("a", work=10.0))
    with pytest.raises(
        JobTooLarge, match=r"10\.5 megapixel-steps .* that you may send has 10"
    ) as no:
        limit.put(store, frame("b", work=10.5))
    assert status_of(no.value) == 422
    group = Limits(job_megapixel_steps=3.0)
    book.plans["bob"] = Plan(500, group="studio", group_limits=group)
    with pytest.raises(JobTooLarge, match="the group 'studio' may send has 3"):
        limit.put(store, frame("b", owner="bob", work=4.0))
    for most, refused in ((700, True), (701, False)):
        bound(book, "ann", stored_bytes=most)
        if refused:
            with pytest.raises(QuotaExceeded, match="delete something") as full:
                limit.put(store, frame("c"))
            assert full.value.retry_after is None
        else:
            limit.put(store, frame("c"))


def test_weight_priority_and_limits_travel_with_the_frame(
    limit: JobLimit, store: QueueStore, book: Book
) -> None:
    own = Limits(weight=2.0, priority=5, running_jobs=3)
    book.plans["ann"] = Plan(500, own, "studio", Limits(weight=4.0, running_jobs=6))
    limit.put(store, frame("a", priority=-1))
    (stored,) = store.list_frames()
    assert (stored.weight, stored.priority) == (2.0, 4)
    assert stored.sharing == book.plans["ann"].sharing()


def test_the_answer_tells_the_quota() -> None:
    facts = {"name": "pictures_day", "resets_at": MIDNIGHT}
    answer = error_answer(QuotaExceeded("No.", facts, 60))
    assert answer.status == 429
    body = json.loads(answer.body)
    assert (body["errors"], body["code"], body["quota"]) == ("No.", "quota_exceeded", facts)


def test_days_and_months_are_those_of_utc() -> None:
    clock = Clock()
    assert start_of("day", clock()) <= clock() < end_of("day", clock())
    for period, day, first, last in (
        ("day", (2026, 12, 31), (2026, 12, 31), (2027, 1, 1)),
        ("month", (2026, 12, 31), (2026, 12, 1), (2027, 1, 1)),
        ("month", (2028, 2, 29), (2028, 2, 1), (2028, 3, 1)),
    ):
        moment = datetime(*day, 23, 59, tzinfo=UTC).timestamp()
        assert start_of(period, moment) == datetime(*first, tzinfo=UTC).timestamp()
        assert end_of(period, moment) == datetime(*last, tzinfo=UTC).timestamp()
