"""Recorded cases: SDXL, from AND to hires fix; and a LoRA's weights by block there."""

import json

from generator.pictures.base64_images import read_base64
from tests.image_compare import is_same_drawing
from tests.parity.recorded_answers import test_answers_as_recorded  # noqa: F401
from tests.parity.recorded_xl import xl_cases
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


def test_weights_by_block_and_a_refiner(service: Service) -> None:
    prompt = "a red cat <lora:tinyxllora:0.8{}>"
    body = {
        "width": 64, "height": 64, "steps": 3, "seed": 7, "refiner_switch_at": 0.6,
        "refiner_checkpoint": "tinyxl_refiner",
        "override_settings": {"sd_model_checkpoint": "tinyxl"},
    }  # fmt: skip
    pictures = []
    for blocks in ("", f":lbw={','.join('1' * 20)}", ":0.8:lbw=NONE"):
        reply = service.post("/sdapi/v1/txt2img", body | {"prompt": prompt.format(blocks)})
        assert reply.status == 200, reply.body
        pictures.append(read_base64(reply.body["images"][0], "images"))
        (infotext,) = json.loads(reply.body["info"])["infotexts"]
        assert infotext.startswith(prompt.format(blocks))
    assert is_same_drawing(pictures[0], pictures[1])
    assert not is_same_drawing(pictures[0], pictures[2])
    seventeen = f":lbw={','.join('1' * 17)}"
    reply = service.post("/sdapi/v1/txt2img", body | {"prompt": prompt.format(seventeen)})
    assert reply.status == 422
    told = json.dumps(reply.body)
    assert f"<lora:tinyxllora:0.8{seventeen}>: lbw has 17 numbers" in told
    assert "for Stable Diffusion XL it takes 12, 20 or 26" in told
