"""A joined worker that hangs ends itself."""

import subprocess
import sys

from webapp.worker.expected_pace import ExpectedPace
from webapp.worker.hang_guard import HangGuard
from webapp.worker.progress_mark import NO_LIMIT

HANG = """
import ctypes
from webapp.worker.hang_guard import HangGuard
HangGuard().beat(0.2)
ctypes.PyDLL(None).pause()  # in C, with Python's lock held
"""
WAIT = """
import time
from webapp.worker.hang_guard import HangGuard
guard = HangGuard()
for _ in range(20):
    guard.beat(60.0)
    time.sleep(0.01)
{last}
time.sleep(0.4)
print("alive")
"""


def run(code: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_a_process_that_hangs_in_c_says_where_and_ends() -> None:
    hung = run(HANG)
    assert hung.returncode == 1
    assert "Timeout" in hung.stderr
    assert "line 5" in hung.stderr  # of the code above


def test_a_process_that_gets_on_or_may_take_for_ever_goes_on() -> None:
    for last in ("guard.beat(30.0)", "guard.beat(0.1); guard.beat(float('inf'))",
                 "guard.beat(0.1); guard.stop()"):  # fmt: skip
        assert run(WAIT.format(last=last)).stdout == "alive\n"


def test_a_pace_beats_a_guard_as_it_does_a_mark() -> None:
    guard = HangGuard()
    pace = ExpectedPace(guard, 600)
    try:
        pace.begin(1.0)
        pace.step()
        pace.finish()
        guard.beat(NO_LIMIT)
    finally:
        guard.stop()
