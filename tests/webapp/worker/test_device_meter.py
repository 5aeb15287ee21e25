"""Whose work a device does, and that the parts make up the whole."""

import random

import pytest

from tests.wait import Clock
from webapp.queues.contracts.charges import BusyTime
from webapp.queues.worker_id import WorkerId
from webapp.worker.device_meter import REPORT_SECONDS, BusyReport, DeviceMeter

GPU = WorkerId("cuda:0", "host", 4711, "3f0c5a9e12b4")
DAY = 86400.0


def test_jobs_that_share_calls_are_charged_by_their_rows() -> None:
    clock = Clock()
    meter = DeviceMeter(clock)
    meter.begin("a")
    clock.skip(2)
    meter.begin("b", weight=3)  # joins: 3 rows beside 1
    clock.skip(4)
    meter.weigh("a", 3)
    clock.skip(2)
    assert meter.end("a") == pytest.approx(2 + 1 + 1)
    clock.skip(5)
    meter.weigh("gone", 7)
    assert meter.end("b") == pytest.approx(3 + 1 + 5)
    clock.skip(100)
    assert meter.end("b") == 0
    assert meter.read_busy_seconds() == pytest.approx(13)


def test_shares_without_weight_are_equal() -> None:
    clock = Clock()
    meter = DeviceMeter(clock)
    for job in "ab":
        meter.begin(job, weight=0)
    clock.skip(3)
    assert [meter.end(job) for job in "ab"] == pytest.approx([1.5, 1.5])


def test_the_sum_of_the_parts_is_the_whole() -> None:
    clock, chance, parts = Clock(), random.Random(7), 0.0
    meter, running = DeviceMeter(clock), list[str]()
    for number in range(2000):
        clock.skip(chance.random())
        if running and chance.random() < 0.5:
            parts += meter.end(running.pop(chance.randrange(len(running))))
        else:
            meter.begin(job := f"j{number}", chance.choice((1, 2, 8)))
            running.append(job)
    parts += sum(meter.end(job) for job in running)
    assert parts == pytest.approx(meter.read_busy_seconds(), rel=1e-9)


def test_a_workers_time_is_told_now_and_then_by_day() -> None:
    clock, told = Clock(10 * DAY - 60), list[BusyTime]()
    meter = DeviceMeter(clock)
    report = BusyReport(GPU, meter, told.append, clock)
    report.tell()
    meter.begin("a")
    for seconds in (1, 0.2, REPORT_SECONDS, 60, 0.6):
        clock.skip(seconds)
        report.tell()
    report.tell(at_once=True)
    assert [(each.day, round(each.seconds)) for each in told] == [
        ("1970-01-10", 1), ("1970-01-10", 2), ("1970-01-11", 60), ("1970-01-11", 61),
    ]  # fmt: skip
    assert {each.device for each in told} == {"cuda:0@host"}
    assert len({each.worker for each in told}) == 1


def test_what_could_not_be_told_is_told_later() -> None:
    clock, told, broken = Clock(1000.0), list[BusyTime](), [True]

    def publish(busy: BusyTime) -> None:
        if broken[0]:
            raise OSError
        told.append(busy)

    meter = DeviceMeter(clock)
    report = BusyReport(GPU, meter, publish, clock)
    meter.begin("a")
    clock.skip(3)
    with pytest.raises(OSError):  # noqa: PT011
        report.tell()
    broken[0] = False
    clock.skip(1)
    report.tell()
    assert [each.seconds for each in told] == [pytest.approx(4)]
