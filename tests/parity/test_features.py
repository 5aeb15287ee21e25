"""Recorded cases: hires fix, refiner, ControlNet, scripts, extras."""

from tests.parity.case_test import test_answers_as_recorded  # noqa: F401

GROUP = 2  # of tests/parity/conftest.py
