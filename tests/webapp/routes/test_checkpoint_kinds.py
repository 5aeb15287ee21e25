"""Checkpoints of every kind are listed by name; one that is not drawn with is 422 when chosen."""

from pathlib import Path
from typing import Any

import pytest

from generator.models.families.architecture import PARTS
from tests.generator.models.architecture_fixtures import FIXTURES, flux
from tests.generator.models.gguf_files import gguf
from tests.generator.models.hollow_files import write_hollow

SMALL = {"prompt": "a", "steps": 1, "width": 64, "height": 64}
OURS = ("SD1", "SD2", "SDXL", "PLAYGROUND", "COSXL")
OTHERS = {
    architecture.name: (architecture, shapes)
    for architecture, _, shapes in FIXTURES
    if architecture not in PARTS and not architecture.name.startswith((*OURS, "OTHER"))
}
NF4 = "img_in.weight.quant_state.bitsandbytes__nf4"


@pytest.fixture
def house(build: Any) -> Any:
    made = build()
    folder = made.data_dir / "models/Stable-diffusion"
    for name, (_, shapes) in OTHERS.items():
        write_hollow(folder / f"{name}.safetensors", shapes)
    write_hollow(folder / "quantised.safetensors", flux(64) | {NF4: (8,)})
    (folder / "packed.gguf").write_bytes(gguf({"token_embd.weight": (2, 2)}, "sdxl"))
    made.registry.refresh()
    return made


def test_each_is_listed_with_its_kind_and_refused_by_it(house: Any) -> None:
    client = house.client()
    told = {
        Path(each["filename"]).stem: each
        for each in client.get("/internal/checkpoint-kinds").get_json()
    }
    listed = {each["model_name"] for each in client.get("/sdapi/v1/sd-models").get_json()}
    assert listed == set(told)
    wanted = {name: (kind.label, None) for name, (kind, _) in OTHERS.items()} | {
        "quantised": ("Flux.1 dev or Kontext", "NF4 (bitsandbytes)"),
        "packed": ("Stable Diffusion XL", "GGUF"),
    }
    for name, (kind, weights) in wanted.items():
        assert (told[name]["architecture"], told[name]["weight_format"]) == (kind, weights)
        assert told[name]["can_draw"] is False
        for answer in (
            client.post("/sdapi/v1/options", json={"sd_model_checkpoint": name}),
            house.txt2img({**SMALL, "override_settings": {"sd_model_checkpoint": name}}),
        ):
            assert answer.status_code == 422, name
            detail = answer.get_json()["detail"]
            assert kind in detail, name
            assert name in detail, name
            assert (weights or "") in detail, name
            assert "Choose" in detail or "choose" in detail, name
            assert str(house.data_dir) not in detail
    assert house.jobs == []
    assert told["painter"]["can_draw"] is True
