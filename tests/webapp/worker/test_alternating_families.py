"""Families alternate over the API while LoRA, VAE and words change; each draws as it did alone."""

import json
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from generator.pictures.base64_images import read_base64
from tests.image_compare import is_same_drawing
from tests.parity.recorded_xl import run_with_xl_models
from tests.parity.service import Service
from tests.webapp.easel_server import CHECKPOINT

SMALL = {"steps": 2, "width": 64, "height": 64, "seed": 7, "cfg_scale": 5, "sampler_name": "Euler"}
BLUEPRINT = CHECKPOINT.parent / "companions/easel-blueprint.safetensors"
XL, SD2, SD1 = "tinyxl", "tinysd2", "easel-default"
DRAWINGS = (  # checkpoint, VAE, what the prompt names
    (XL, "None", ""), (SD1, "None", ""), (XL, "None", "<lora:tinyxllora:0.8>"),
    (SD2, "othervae.safetensors", ""), (XL, "othervae.safetensors", "tinyxlemb"),
    (SD1, "None", "<lora:easel-blueprint:1>"), (SD2, "None", "<lora:tinysd2lora:0.8> tinysd2emb"),
    (XL, "None", "<lora:tinyxldiff:0.8>"),
)  # fmt: skip


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    torch.set_num_threads(1)
    data_dir = tmp_path_factory.mktemp("data")
    names = ("tinyxl", "tinysd2", "tinyxllora", "tinyxldiff", "tinysd2lora")
    words = ("tinyxlemb", "tinysd2emb", "othervae")
    with run_with_xl_models((*names, *words), data_dir) as running:
        shutil.copy2(CHECKPOINT, data_dir / "models/Stable-diffusion")
        shutil.copy2(BLUEPRINT, data_dir / "models/Lora")
        running.registry.refresh()
        yield running


def draw(service: Service, checkpoint: str, vae: str, words: str) -> Any:
    """The picture; its infotext and its answer tell that it was drawn as asked."""
    options = {"sd_model_checkpoint": checkpoint, "sd_vae": vae}
    body = {**SMALL, "prompt": f"a red cat {words}", "override_settings": options}
    answer = service.post("/sdapi/v1/txt2img", body)
    assert answer.status == 200, answer.body
    info = json.loads(answer.body["info"])
    assert "comments" not in info, info["comments"]
    assert f"Model: {checkpoint}," in info["infotexts"][0]
    assert ("VAE: othervae" in info["infotexts"][0]) == (vae != "None")
    return read_base64(answer.body["images"][0], "images")


def test_each_draws_as_it_did_before(service: Service) -> None:
    first = [draw(service, *drawing) for drawing in DRAWINGS]
    for number, picture in enumerate(first):
        assert not any(is_same_drawing(picture, other) for other in first[:number])
    for number, drawing in reversed(tuple(enumerate(DRAWINGS))):  # other neighbours than before
        assert is_same_drawing(draw(service, *drawing), first[number]), drawing


def test_a_lora_of_another_family_is_refused_naming_both(service: Service) -> None:
    options = {"sd_model_checkpoint": SD1}
    body = {**SMALL, "prompt": "a cat <lora:tinyxllora:1>", "override_settings": options}
    answer = service.post("/sdapi/v1/txt2img", body)
    assert answer.status == 422, answer.body
    for words in (
        *("tinyxllora.safetensors", "Stable Diffusion XL"),
        *("easel-default.safetensors", "Stable Diffusion 1.x"),
    ):
        assert words in answer.body["detail"]
    draw(service, *DRAWINGS[1])
