"""Recorded cases: SDXL inpainting and v-prediction, Stable Diffusion 2, v-prediction on 1."""

from tests.parity.recorded_answers import test_answers_as_recorded  # noqa: F401
from tests.parity.recorded_xl import SD1_MODEL, xl_cases

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
