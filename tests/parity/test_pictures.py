"""Recorded cases: img2img and inpainting."""

from tests.parity.recorded_answers import test_answers_as_recorded  # noqa: F401

GROUP = 1  # of tests/parity/conftest.py
