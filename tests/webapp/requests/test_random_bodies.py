"""Whatever a body holds, a door takes it or refuses it; what it takes, a worker can read."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from generator.errors import BadRequest
from generator.models.registry import Folders, Registry
from tests.webapp.conftest import write_checkpoint, write_model
from tests.webapp.requests.request_pictures import MASK, PICTURE
from webapp.errors import InvalidFields, Refused
from webapp.queues.job_codec import QueuedGeneration, decode_job, encode_job
from webapp.requests.context import MAX_REMARKS, RequestContext
from webapp.requests.fields import GenerationBody, read_body
from webapp.requests.img2img import Img2Img
from webapp.requests.translate import translate_body
from webapp.requests.txt2img import Txt2Img
from webapp.settings.option_store import DEFAULTS
from webapp.settings.options_table import OPTIONS

WORDS = (
    "Euler", "DPM++ 2M Karras", "karras", "painter", "Latent", "Lanczos", "None", "", "nope",
    "controlnet", "soft inpainting", "X/Y/Z plot", "loopback", "Steps: 3, Seed: 1, Size: 8x8",
    "a\nNegative prompt: b\nSteps: 2, Sampler: LMS, Clip skip: 0, Tiling: x",
)  # fmt: skip
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.integers(-9, 999)
    | st.floats()
    | st.sampled_from((*WORDS, PICTURE, MASK))
    | st.text(max_size=20)
)
UNIT_FIELDS = ("module", "model", "image", "mask", "weight", "guidance_start", "pixel_perfect")
UNITS = st.fixed_dictionaries(
    {"enabled": st.just(True)}, optional=dict.fromkeys(UNIT_FIELDS, SCALARS)
)
SCRIPTS = st.dictionaries(
    st.sampled_from(
        ("controlnet", "ControlNet", "soft inpainting", "seed", "uid", "save_dir", "nope")
    ),
    SCALARS | st.fixed_dictionaries({"args": st.lists(SCALARS | UNITS, max_size=8)}),
    max_size=2,
)
SETTINGS = st.dictionaries(
    st.sampled_from([option.name for option in OPTIONS]) | st.text(max_size=5), SCALARS, max_size=3
)
ANYTHING = SCALARS | st.lists(SCALARS, max_size=3) | SCRIPTS | SETTINGS
BASES: dict[type[GenerationBody], dict[str, Any]] = {
    Txt2Img: {"enable_hr": True, "denoising_strength": 0.5},
    Img2Img: {"init_images": [PICTURE], "mask": MASK},
}


def changes(model: type[GenerationBody]) -> st.SearchStrategy[dict[str, Any]]:
    """A few fields with fitting and unfitting values."""
    fields = dict.fromkeys(model.model_fields, ANYTHING)
    fields |= {"alwayson_scripts": SCRIPTS, "override_settings": SETTINGS}
    chosen = st.sets(st.sampled_from(sorted(fields)), min_size=1, max_size=4)
    return chosen.flatmap(lambda names: st.fixed_dictionaries({n: fields[n] for n in names}))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> RequestContext:
    """A service with two models."""
    folder: Path = tmp_path_factory.mktemp("data")
    write_checkpoint(folder / "models/Stable-diffusion/painter.safetensors")
    write_model(folder / "models/ControlNet/lines.safetensors")
    return RequestContext(DEFAULTS, Registry(Folders.under(folder)))


@pytest.mark.parametrize("model", [Txt2Img, Img2Img])
@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_body_is_taken_whole_or_refused(
    service: RequestContext, model: type[GenerationBody], data: st.DataObject
) -> None:
    body = {**BASES[model], **data.draw(changes(model))}
    try:
        accepted = translate_body(read_body(model, body), service)
    except (InvalidFields, Refused, BadRequest):
        event("refused")
        return
    event("taken")
    job = QueuedGeneration(accepted.request, accepted.body.route, accepted.echo)
    assert decode_job(encode_job(job)).request == accepted.request


def test_of_thousands_of_remarks_the_first_are_told(tmp_path: Path) -> None:
    told = RequestContext(DEFAULTS, Registry(Folders.under(tmp_path)))
    for number in range(3000):
        told.add_remark(f"field{number} is not read.")
    assert len(told.remarks) == MAX_REMARKS + 1
    assert told.remarks[0] == "field0 is not read."
    assert told.remarks[-1].startswith("More of this request")
