"""Recorded cases: SDXL, from AND to hires fix."""

from tests.parity.recorded_answers import test_answers_as_recorded  # noqa: F401
from tests.parity.recorded_xl import xl_cases

CASES = xl_cases("xl_[a-h]*")
MODELS = (
    "tinyxl",
    "tinyxl_b",
    "tinyxl_refiner",
    "tinyxllora",
    "tinyxldiff",
    "tinyxlemb",
)
