"""Recorded cases: hires fix, refiner, ControlNet, scripts, extras."""

from tests.parity.recorded_answers import test_answers_as_recorded  # noqa: F401

GROUP = 2  # of tests/parity/conftest.py
