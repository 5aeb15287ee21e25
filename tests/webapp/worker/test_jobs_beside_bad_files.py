"""Everybody draws on beside bad files; a stop is heard while LoRAs are merged."""

import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file

from tests.wait import join_thread, wait_until
from tests.webapp.routes.bad_model_files import BAD, EMBEDDINGS

if TYPE_CHECKING:
    from tests.parity.service import Service

SMALL = {"prompt": "a red cat", "steps": 1, "width": 64, "height": 64, "seed": 7}


def test_everybody_draws_beside_bad_files(service: "Service") -> None:
    for folder in ("models/Stable-diffusion", "models/Lora", "models/VAE", "embeddings"):
        for name, content in BAD.items():
            (service.data_dir / folder / f"0-{name}.safetensors").write_bytes(content)
        bad = os.path.join(os.fsencode(service.data_dir / folder), b"\xc9\xf1bad.safetensors")
        Path(os.fsdecode(bad)).write_bytes(b"x")
    for name, content in EMBEDDINGS.items():
        (service.data_dir / f"embeddings/{name}.safetensors").write_bytes(content)
    save_file(  # no checkpoint, and the first by its name
        {"w": torch.zeros(2)}, service.data_dir / "models/Stable-diffusion/00.safetensors"
    )
    (service.data_dir / "styles.csv").write_bytes(b'name,prompt\n"open')
    service.registry.refresh()
    drawn = service.post("/sdapi/v1/txt2img", SMALL)
    assert drawn.status == 200, drawn.body
    named = SMALL | {"prompt": "a red cat, many, cube, scalars <lora:0-cut:1>"}
    drawn = service.post("/sdapi/v1/txt2img", named)
    assert drawn.status == 200, drawn.body
    assert "Embedding not used: " in drawn.body["info"]
    assert "Lora not found: 0-cut" in drawn.body["info"]


def test_a_checkpoint_that_cannot_be_loaded_costs_only_who_names_it(service: "Service") -> None:
    folder = service.data_dir / "models/Stable-diffusion"
    unet = {"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(8, 4, 3, 3)}
    save_file(unet, folder / "hollow.safetensors")
    service.registry.refresh()
    wanted = SMALL | {"override_settings": {"sd_model_checkpoint": "hollow"}}
    refused = service.post("/sdapi/v1/txt2img", wanted)
    assert refused.status == 422, refused.body
    assert "hollow.safetensors" in refused.body["detail"]
    assert str(service.data_dir) not in str(refused.body)
    assert service.post("/sdapi/v1/txt2img", SMALL).status == 200
    (folder / "hollow.safetensors").unlink()


def test_an_interrupt_is_heard_while_a_prompt_is_made_ready(service: "Service") -> None:
    lora = service.data_dir / "models/Lora/tinylora.safetensors"
    for number in range(40):
        shutil.copy(lora, lora.with_stem(f"copy{number}"))
    service.registry.refresh()
    prompt = "a" + "".join(f"<lora:copy{n}:0.1>" * 20 for n in range(40))
    answers: list[int] = []

    def draw() -> None:
        body = SMALL | {"prompt": prompt, "steps": 150, "n_iter": 4}
        answers.append(service.post("/sdapi/v1/txt2img", body).status)

    drawing = threading.Thread(target=draw)
    drawing.start()
    client = service.client.application.test_client()

    def busy() -> bool:
        told = client.get("/sdapi/v1/progress?skip_current_image=true").get_json()
        return bool(told["state"]["job"])

    wait_until(busy, message="the job did not begin")
    client.post("/sdapi/v1/interrupt")
    join_thread(drawing)
    assert answers == [200]
