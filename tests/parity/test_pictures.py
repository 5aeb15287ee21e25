"""Recorded cases: img2img and inpainting."""

from tests.parity.case_test import test_answers_as_recorded  # noqa: F401

GROUP = 1  # of tests/parity/conftest.py
