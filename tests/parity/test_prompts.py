"""Recorded cases: prompts, options and everything else."""

from tests.parity.case_test import test_answers_as_recorded  # noqa: F401

GROUP = 3  # of tests/parity/conftest.py
