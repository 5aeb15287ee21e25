"""Recorded cases: samplers, schedules, steps and seeds."""

from tests.parity.recorded_answers import test_answers_as_recorded  # noqa: F401

GROUP = 0  # of tests/parity/conftest.py
