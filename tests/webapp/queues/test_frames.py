"""Jobs as JSON."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from generator.request import GenerationRequest, Sampling, Seeds, Snapshot
from webapp.queues.job_codec import EasExtras, QueuedGeneration, SaveOptions, decode_job, encode_job

PLAIN = QueuedGeneration(GenerationRequest("a house", Seeds(7)), "txt2img", {"prompt": "a house"})
FULL = QueuedGeneration(
    GenerationRequest(
        "",
        Seeds(2**64 - 1, 3, 0.25, 640, 0),
        sampling=Sampling("DPM++ 2M", "Karras", 30, 6.5, eta=0.5, s_tmax=math.inf),
        styles=("ink", "night"),
        options=Snapshot(randn_source="CPU", samples_format="webp"),
    ),
    "img2img",
    {"steps": None, "override_settings": {"a": [1, 2.5, {"b": False}]}},
    send_images=False,
    save=SaveOptions(
        "outputs/a", "outputs/b", naming="vendor", url_prefix="/code", save_grid=False
    ),
    extras=EasExtras(id_task="t", save_dir="outputs"),
)


@pytest.mark.parametrize("job", [PLAIN, FULL])
def test_a_job_comes_back_as_it_was(job: QueuedGeneration) -> None:
    assert decode_job(encode_job(job)) == job


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_prompt_comes_back(prompt: str) -> None:
    job = replace(PLAIN, request=replace(PLAIN.request, prompt=prompt), echo={"prompt": prompt})
    assert decode_job(encode_job(job)) == job


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", encode_job(PLAIN)[:-1]])
def test_anything_else_is_refused(body: bytes) -> None:
    with pytest.raises(ValidationError):
        decode_job(body)
