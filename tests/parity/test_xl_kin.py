"""Recorded cases: SDXL inpainting and v-prediction, Stable Diffusion 2, v-prediction on 1."""

from collections.abc import Iterator

import pytest
import torch

from tests.parity.recorded_answers import test_answers_as_recorded  # noqa: F401
from tests.parity.recorded_xl import SD1_MODEL, run_with_xl_models, xl_cases
from tests.parity.service import Service

CASES = xl_cases("xlin_*", "xlv_*", "sd2*", *(["sd1v_*"] if SD1_MODEL.exists() else []))
MODELS = (
    "tinyxl",
    "tinyxl_inpaint",
    "tinyxl_v",
    "tinysd2",
    "tinysd2_v",
    "tinyxllora",
    "tinysd2lora",
    "tinysd2emb",
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    torch.set_num_threads(1)
    with run_with_xl_models(MODELS, tmp_path_factory.mktemp("data")) as running:
        yield running
