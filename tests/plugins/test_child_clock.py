"""Whose time counts when an import is given up."""

import os

import pytest

from plugins.child_clock import MAX_FACTOR, ChildClock, ProcessState, state_of
from tests.wait import Clock


@pytest.mark.parametrize(
    ("share", "sleeps", "seconds"),
    [(1.0, False, 5.0), (0.1, False, 50.0), (0.0, True, 5.0), (0.0, False, MAX_FACTOR * 5.0)],
    ids=["computes", "is starved", "sleeps", "waits for a disk"],
)
def test_what_counts(share: float, sleeps: bool, seconds: float) -> None:
    clock = Clock(0.0)
    child = ChildClock(1, 5.0, lambda _: ProcessState(share * clock.now, sleeps), clock)
    while not child.is_over():
        clock.skip(0.1)
    assert clock.now == pytest.approx(seconds, abs=0.3)


def test_a_machine_that_stood_still_does_not_count() -> None:
    clock = Clock(0.0)
    child = ChildClock(1, 5.0, lambda _: ProcessState(0.0, True), clock)
    clock.skip(60)
    assert not child.is_over()


def test_the_state_of_a_process_is_read() -> None:
    state = state_of(os.getpid())
    assert state is not None
    assert state.cpu_seconds > 0
    assert not state.is_sleeping
    assert state_of(2**22 + 1) is None
