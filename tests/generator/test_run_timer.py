"""Time limits count the time in which a process ran."""

from types import SimpleNamespace

import pytest

from generator import run_timer
from generator.run_timer import call_after, sleep_slices
from tests.wait import Clock, wait_until


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(0.0)
    monkeypatch.setattr(run_timer, "time", SimpleNamespace(monotonic=clock))
    return clock


def test_sleeps_add_up_to_the_limit(clock: Clock) -> None:
    for pause in sleep_slices(10.1):
        clock.skip(pause)
    assert clock.now == pytest.approx(10.1)


def test_a_machine_that_stood_still_leaves_nearly_all_of_the_limit(clock: Clock) -> None:
    told = 0.0
    for number, pause in enumerate(sleep_slices(10)):
        told += pause
        clock.skip(100 if number == 1 else pause)
    assert told >= 9.5


def test_sleeps_that_take_longer_count_as_long(clock: Clock) -> None:
    """A busy machine stretches no limit."""
    for pause in sleep_slices(10):
        clock.skip(pause * 1.5)
    assert clock.now < 11


def test_nothing_to_wait_for() -> None:
    done: list[int] = []
    call_after(0, lambda: done.append(1))
    wait_until(lambda: done)
    assert list(sleep_slices(0)) == []
