"""A checkpoint with which nothing can be drawn is refused when it is chosen, with its reason."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.webapp.conftest import LEAST_CHECKPOINT, TEXT, UNET, write_tensors

MMDIT = f"{UNET}joint_blocks.0.context_block.attn.qkv.weight"
Shapes = Mapping[str, tuple[int, ...]]
SMALL = {"prompt": "a", "steps": 1, "width": 64, "height": 64}


def without(prefix: str) -> Shapes:
    return {name: each for name, each in LEAST_CHECKPOINT.items() if not name.startswith(prefix)}


REFUSED: dict[str, tuple[Shapes, str]] = {
    "flux": ({"double_blocks.0.img_attn.qkv.weight": (8, 8)}, "Flux"),
    "sd3": ({MMDIT: (8, 8)}, "Stable Diffusion 3"),
    "lora": ({"lora_unet_down_blocks_0_attentions_0_proj_in.lora_up.weight": (8, 4)}, "a LoRA"),
    "strange": ({"w": (2,)}, "no architecture that Easel knows"),
    "hollow": ({f"{UNET}input_blocks.0.0.weight": (8, 4, 3, 3)}, "incomplete"),
    "mute": (without(TEXT), "incomplete"),
    "blind": (without("first_stage_model."), "holds no VAE"),
}


@pytest.fixture
def house(build: Any) -> Any:
    made = build()
    folder = made.data_dir / "models/Stable-diffusion"
    for name, (shapes, _) in REFUSED.items():
        write_tensors(folder / f"{name}.safetensors", shapes)
    whole = write_tensors(folder / "sub/cut.safetensors", LEAST_CHECKPOINT)
    whole.write_bytes(whole.read_bytes()[:-9])
    made.registry.refresh()
    return made


def refusal_of(answer: Any, data_dir: Path) -> str:
    """The sentence of a refusal."""
    assert answer.status_code == 422, answer.text
    assert str(data_dir) not in answer.text
    return str(answer.get_json()["detail"])


def test_it_is_refused_in_options(house: Any) -> None:
    client = house.client()
    before = client.get("/sdapi/v1/options").get_json()
    for name, reason in (*((n, r) for n, (_, r) in REFUSED.items()), ("cut", "copied")):
        body = {"sd_model_checkpoint": name, "samples_format": "jpg"}
        detail = refusal_of(client.post("/sdapi/v1/options", json=body), house.data_dir)
        assert detail.startswith("sd_model_checkpoint: ")
        assert f"{name}.safetensors" in detail
        assert reason in detail
        assert client.get("/sdapi/v1/options").get_json() == before, "nothing of it is applied"
    for name in ("sub/cut", "sub/cut.safetensors", "cut.safetensors"):
        body = {"sd_model_checkpoint": name}
        assert "copied" in refusal_of(client.post("/sdapi/v1/options", json=body), house.data_dir)
    assert client.post("/sdapi/v1/options", json=before).status_code == 200


def test_it_is_refused_at_the_door_of_a_drawing(house: Any) -> None:
    for name, (_, reason) in REFUSED.items():
        for body in (
            {"override_settings": {"sd_model_checkpoint": name}},
            {"alwayson_scripts": {"sd_model_checkpoint": name}},
        ):
            assert reason in refusal_of(house.txt2img({**SMALL, **body}), house.data_dir)
    broken = {"override_settings": {"sd_model_checkpoint": "cut"}}
    assert "copied" in refusal_of(house.txt2img({**SMALL, **broken}), house.data_dir)
    refiner = {"refiner_checkpoint": "flux", "refiner_switch_at": 0.5}
    assert "Flux" in refusal_of(house.txt2img({**SMALL, **refiner}), house.data_dir)
    large = {"enable_hr": True, "denoising_strength": 0.5, "hr_checkpoint_name": "sd3"}
    assert "Diffusion 3" in refusal_of(house.txt2img({**SMALL, **large}), house.data_dir)
    assert house.jobs == [], "nothing of it came to a worker"
    unknown = {"override_settings": {"sd_model_checkpoint": "nowhere"}}
    assert house.txt2img({**SMALL, **unknown}).status_code == 200


def test_one_that_became_unusable_is_refused_until_another_is_chosen(house: Any) -> None:
    assert house.client().post("/sdapi/v1/options", json={"sd_model_checkpoint": "painter"})
    place = house.data_dir / "models/Stable-diffusion/painter.safetensors"
    write_tensors(place, REFUSED["sd3"][0])
    assert "Diffusion 3" in refusal_of(house.txt2img(SMALL), house.data_dir)
    chosen = {"sd_model_checkpoint": "deliberate_v2"}
    assert house.client().post("/sdapi/v1/options", json=chosen).status_code == 200
    assert house.txt2img(SMALL).status_code == 200


def test_replaced_weights_are_those_that_were_chosen(house: Any) -> None:
    options = {"sd_model_checkpoint": "painter.safetensors [0123456789]"}
    house.options.update(options)
    for body in (SMALL, {**SMALL, "override_settings": options}):
        assert house.txt2img(body).status_code == 200
        assert house.jobs.pop().request.checkpoint == "painter.safetensors"
    assert house.client().get("/api/session").get_json()["checkpoint"] == "painter.safetensors"


def test_a_vae_may_come_from_elsewhere(house: Any) -> None:
    options = house.client().get("/sdapi/v1/options").get_json()
    both = {"sd_model_checkpoint": "blind", "sd_vae": "clear.safetensors"}
    assert house.client().post("/sdapi/v1/options", json=both).status_code == 200
    back = {"sd_model_checkpoint": "painter", "sd_vae": options["sd_vae"]}
    assert house.client().post("/sdapi/v1/options", json=back).status_code == 200
    drawn = house.txt2img({**SMALL, "override_settings": both})
    assert drawn.status_code == 200, drawn.text
    wanted = {"override_settings": {"sd_model_checkpoint": "blind"}}
    assert "blind.vae.safetensors" in refusal_of(house.txt2img({**SMALL, **wanted}), house.data_dir)
    vae = house.data_dir / "models/Stable-diffusion/blind.vae.safetensors"
    write_tensors(vae, {"decoder.conv_in.weight": (8, 4, 3, 3)})
    house.client().post("/sdapi/v1/refresh-vae")
    assert house.txt2img({**SMALL, **wanted}).status_code == 200
    assert json.loads(drawn.get_json()["info"])
