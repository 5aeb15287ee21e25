"""Recorded cases: prompts, options and everything else."""

from tests.parity.recorded_answers import test_answers_as_recorded  # noqa: F401

GROUP = 3  # of tests/parity/conftest.py
