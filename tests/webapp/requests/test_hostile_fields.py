"""Sound bodies with a few fields turned hostile: an answer or a refusal, never a failure."""

import base64
import json
import os
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from generator.request import Generation
from tests.webapp.conftest import pretend
from webapp.queues.job_codec import QueuedGeneration
from webapp.requests.extras import ExtrasBatch, ExtrasSingle, PngInfoBody
from webapp.requests.img2img import Img2Img
from webapp.requests.txt2img import Txt2Img
from webapp.routes.controlnet import DetectBody
from webapp.routes.internal import InfotextBody, TaskQuery
from webapp.settings.options_table import OPTIONS

TRIES = int(os.environ.get("EASEL_FUZZ", "0"))


def encode_picture_8() -> str:
    """A picture of 8 x 8 in base64."""
    buffer = BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


PICTURE = encode_picture_8()
UNIT = {"module": "canny", "model": "None", "image": PICTURE, "enabled": True}
CONTROL = {"controlnet": {"args": [UNIT]}}
DRAW = {"width": 64, "height": 64, "steps": 2}
EXTRAS = {"upscaler_1": "Lanczos", "upscaling_resize": 2}
ROUTES: dict[str, tuple[dict[str, Any], Any]] = {
    "/sdapi/v1/txt2img": (DRAW, Txt2Img.model_fields),
    "/sdapi/v1/img2img": ({**DRAW, "init_images": [PICTURE]}, Img2Img.model_fields),
    "/sdapi/v1/extra-single-image": ({**EXTRAS, "image": PICTURE}, ExtrasSingle.model_fields),
    "/sdapi/v1/extra-batch-images": (
        {**EXTRAS, "imageList": [{"data": PICTURE, "name": "a"}]},
        ExtrasBatch.model_fields,
    ),
    "/sdapi/v1/png-info": ({"image": PICTURE}, PngInfoBody.model_fields),
    "/sdapi/v1/options": ({}, [option.name for option in OPTIONS]),
    "/controlnet/detect": (
        {"controlnet_module": "canny", "controlnet_input_images": [PICTURE]},
        DetectBody.model_fields,
    ),
    "/internal/progress": ({"id_task": "a"}, TaskQuery.model_fields),
    "/internal/infotext": ({"infotext": "a\nSteps: 2"}, InfotextBody.model_fields),
}
"""A sound body of each route, and the fields that it knows."""

WORDS = (
    "", " ", "\x00", "\ud800", "../../x", "a" * 5000, "1e400", "-0", "nan", "None", "Automatic",
    "data:image/png;base64,", "data:image/svg+xml;base64,AAAA", "http://127.0.0.1/x.png", PICTURE,
    "file:///etc/passwd", "Use same sampler", "Euler", "[", "<lora:x:1>", "((((", "a AND b:1e999",
    "a\nSteps: 99999999999999999999, Seed: -9, Size: 0x0", "{}", "%s%n", "task(x)", "[seed",
)  # fmt: skip
NUMBERS = (0, -1, 1, 7, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 0.5, -0.0, 1e308, float("nan"),
    float("inf"))  # fmt: skip
PLAIN = st.one_of(
    st.sampled_from((None, True, False)),
    st.sampled_from(NUMBERS),
    st.sampled_from(WORDS),
    st.text(max_size=8),
    st.integers(-3, 70),
    st.floats(0, 1),
)
NAMES = st.sampled_from((*UNIT, "args", "data", "name", "resize_mode", "weight", "x"))
HOSTILE = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=6,
)
SCRIPTS = st.sampled_from(
    ("controlnet", "ControlNet", "soft inpainting", "refiner", "seed", "save_dir", "uid",
     "sd_model_checkpoint", "sd_vae", "id_task", "image_link", "nobody")
)  # fmt: skip
SELECTABLE = st.sampled_from(
    ("prompt matrix", "x/y/z plot", "prompts from file or textbox", "loopback", "sd upscale",
     "outpainting mk2", "poor man's outpainting", "img2img alternative test")
)  # fmt: skip


def with_hostile_scripts(body: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A body with scripts' values turned hostile."""
    args = st.lists(
        st.dictionaries(NAMES, HOSTILE).map(lambda changed: {**UNIT, **changed}) | PLAIN
    )
    always = st.dictionaries(SCRIPTS, args.map(lambda each: {"args": each}) | HOSTILE, max_size=2)
    chosen = st.fixed_dictionaries(
        {"script_name": SELECTABLE, "script_args": st.lists(PLAIN, max_size=25)}
    )
    overrides = st.dictionaries(st.sampled_from([o.name for o in OPTIONS]), PLAIN, max_size=2)
    return st.one_of(
        always.map(lambda each: {**body, "alwayson_scripts": each}),
        chosen.map(lambda each: {**body, **each}),
        overrides.map(lambda each: {**body, "override_settings": each}),
    )


def bodies(path: str) -> st.SearchStrategy[Any]:
    """Bodies for a route."""
    sound, names = ROUTES[path]
    changed = st.dictionaries(st.sampled_from(sorted(names)), HOSTILE, min_size=1, max_size=3)
    made = changed.map(lambda each: {**sound, **each})
    return made | with_hostile_scripts(sound) if "2img" in path else made


def small(job: QueuedGeneration) -> Generation:
    """One picture of 8 x 8, whatever was asked for."""
    request = replace(job.request, width=8, height=8, batches=1, batch_size=1)
    return pretend(replace(job, request=request))


@pytest.mark.parametrize("path", ROUTES)
def test_hostile_fields_are_answered_or_refused(build: Any, path: str) -> None:
    house = build(image_links=False)
    house.draw = small
    client = house.client()

    @settings(
        max_examples=TRIES or 200,
        derandomize=not TRIES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(body=bodies(path))
    def ask(body: Any) -> None:
        answer = client.post(path, data=json.dumps(body), content_type="application/json")
        assert answer.status_code < 500, answer.text[:300]
        json.loads(answer.data)
        if answer.status_code >= 400:
            assert answer.get_json()["detail"]

    ask()
    assert client.get("/sdapi/v1/options").status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("alwayson_scripts", {"soft inpainting": {"args": [{"module": "\ud800"}]}}),
        ("override_settings", {"\ud800": 1}),
        ("script_args", [["\ud800"]]),
        ("comments", {"a": ["\ud800"]}),
    ],
)
def test_lone_surrogates_are_refused_by_their_field(house: Any, field: str, value: Any) -> None:
    body = {**DRAW, "init_images": [PICTURE], field: value}
    answer = house.client().post("/sdapi/v1/img2img", data=json.dumps(body))
    assert answer.status_code == 422
    assert answer.get_json()["detail"][0]["loc"] == ["body", field]


@pytest.mark.parametrize(
    "fields",
    [
        {"script_name": "loopback", "script_args": [None, 10**400]},
        {"override_settings": {"jpeg_quality": 10**400}},
        {"steps": 10**400},
    ],
)
def test_integers_beyond_any_float_are_refused(house: Any, fields: dict[str, Any]) -> None:
    body = {**DRAW, "init_images": [PICTURE], **fields}
    answer = house.client().post("/sdapi/v1/img2img", data=json.dumps(body))
    assert answer.status_code == 422
