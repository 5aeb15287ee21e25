"""Recorded cases: SDXL, from AND to hires fix."""

from collections.abc import Iterator

import pytest
import torch

from tests.parity.recorded_answers import test_answers_as_recorded  # noqa: F401
from tests.parity.recorded_xl import run_with_xl_models, xl_cases
from tests.parity.service import Service

CASES = xl_cases("xl_[a-h]*")
MODELS = (
    "tinyxl",
    "tinyxl_b",
    "tinyxl_refiner",
    "tinyxllora",
    "tinyxldiff",
    "tinyxlemb",
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    torch.set_num_threads(1)
    with run_with_xl_models(MODELS, tmp_path_factory.mktemp("data")) as running:
        yield running
