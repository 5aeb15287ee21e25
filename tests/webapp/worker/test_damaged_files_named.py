"""A damaged file that a request names is told by its name, with the reason, whatever its kind."""

import base64
import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from generator.models import torchvision_ops
from tests.generator.control import sdxl_controls
from tests.parity.recorded_xl import run_with_xl_models
from tests.parity.service import Service
from tests.webapp.requests.request_pictures import encode_grey_picture

SMALL = {"prompt": "a cat", "steps": 1, "width": 64, "height": 64, "seed": 7}
REFINED = {"refiner_checkpoint": "refiner_nan", "refiner_switch_at": 0.5, "steps": 2}
PICTURE = encode_grey_picture(64, 64)
CUT = b"\x40" + bytes(7) + b'{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}'.ljust(64)
PLACES = (
    "Lora/broken", "VAE/broken", "ControlNet/broken", "ESRGAN/broken", "ESRGAN/RealESRGAN_x4plus",
    "GFPGAN/GFPGANv1.4", "hypernetworks/broken",
)  # fmt: skip


def spoil(source: Path, name: str, part: str) -> None:
    """A copy of a model beside it whose first tensor with ``part`` in its name is NaN."""
    tensors = {key: tensor.clone() for key, tensor in load_file(source).items()}
    tensors[next(key for key in tensors if part in key)][:] = torch.nan
    save_file(tensors, source.with_stem(name))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    torch.set_num_threads(1)
    data_dir = tmp_path_factory.mktemp("data")
    names = ("tinyxl", "tinyxl_refiner", "tinyxllora", "tinyxlemb", "othervae")
    with run_with_xl_models(names, data_dir) as running:
        models = data_dir / "models"
        for place in PLACES:
            path = models / f"{place}.{'pt' if 'hyper' in place else 'safetensors'}"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(CUT)
        spoil(models / "Lora/tinyxllora.safetensors", "lora_nan", "lora_up")
        spoil(models / "VAE/othervae.safetensors", "vae_nan", "decoder.conv_out")
        spoil(data_dir / "embeddings/tinyxlemb.safetensors", "emb_nan", "clip_g")
        checkpoints = models / "Stable-diffusion"
        spoil(checkpoints / "tinyxl_refiner.safetensors", "refiner_nan", "diffusion_model.out.2")
        control = sdxl_controls.controlnet_of(data_dir).state_dict()
        spoilt = dict(control) | {
            "conv_in.bias": torch.full_like(control["conv_in.bias"], torch.nan)
        }
        sdxl_controls.save_control(data_dir, "control_nan", spoilt)
        torchvision_ops.prepare()
        from spandrel.architectures.ESRGAN import ESRGAN

        enlarging = ESRGAN(num_filters=4, num_blocks=1).state_dict()
        save_file(dict(enlarging), models / "ESRGAN/R-ESRGAN plain.safetensors")
        spoil(models / "ESRGAN/R-ESRGAN plain.safetensors", "zzz", "weight")
        running.registry.refresh()
        running.options.update({"sd_model_checkpoint": "tinyxl.safetensors"})
        yield running


def draw(service: Service, **changes: Any) -> list[str]:
    """The remarks of a drawing that succeeds."""
    answer = service.post("/sdapi/v1/txt2img", {**SMALL, **changes})
    assert answer.status == 200, answer.body
    comments: list[str] = json.loads(answer.body["info"]).get("comments", [])
    return comments


def refuse(service: Service, status: int = 422, **changes: Any) -> str:
    """The sentence of a refusal; the next drawing works."""
    answer = service.post("/sdapi/v1/txt2img", {**SMALL, **changes})
    assert answer.status == status, answer.body
    draw(service)
    return str(answer.body["detail"])


def steer(model: str) -> dict[str, object]:
    unit = {"image": PICTURE, "module": "none", "model": model}
    return {"alwayson_scripts": {"controlnet": {"args": [unit]}}}


def enlarge(service: Service, name: str) -> Any:
    asked = {"image": PICTURE, "upscaler_1": name, "upscaling_resize": 2}
    return service.post("/sdapi/v1/extra-single-image", asked)


def test_files_that_are_cut_short(service: Service) -> None:
    said = draw(service, prompt="a cat <lora:broken:1>")
    assert said[0] == "Lora not found: broken"
    assert "broken.safetensors: 72 of 88 bytes are there" in said[1]
    assert "broken.pt: " in draw(service, prompt="a cat <hypernet:broken:1>")[1]
    (told,) = draw(service, override_settings={"sd_vae": "broken.safetensors"})
    assert "'broken.safetensors' is there but cannot be used: broken.safetensors: 72 of 88" in told
    assert told.endswith("copy it again; the checkpoint's own was used.")
    assert "broken.safetensors: 72 of 88 bytes" in refuse(service, **steer("broken"))
    (told,) = draw(
        service, restore_faces=True, override_settings={"face_restoration_model": "GFPGAN"}
    )
    assert "GFPGAN is there but cannot be used: GFPGANv1.4.safetensors: 72 of 88 bytes" in told


def test_upscalers_that_are_cut_short(service: Service) -> None:
    large = {"enable_hr": True, "denoising_strength": 0.5, "hr_upscaler": "broken"}
    for told in (refuse(service, **large), enlarge(service, "broken").body["detail"]):
        assert "'broken' is there but cannot be used: broken.safetensors: 72 of 88 bytes" in told
    stock = enlarge(service, "R-ESRGAN 4x+")
    assert stock.status == 200
    assert "RealESRGAN_x4plus.safetensors: 72 of 88" in stock.body["html_info"]
    start = {"init_images": [PICTURE], "width": 128, "height": 128}
    options = {"override_settings": {"upscaler_for_img2img": "broken"}}
    answer = service.post("/sdapi/v1/img2img", {**SMALL, **start, **options})
    assert "broken.safetensors: 72 of 88 bytes" in answer.body["detail"]


def test_numbers_that_are_none_are_told_with_their_file(service: Service) -> None:
    told = refuse(service, prompt="a cat <lora:lora_nan:1>")
    assert "lora_nan.safetensors: its " in told
    assert "holds NaN" in told
    said = draw(service, prompt="a emb_nan cat")
    assert any("emb_nan.safetensors: its clip_g holds NaN" in each for each in said)
    vae = {"override_settings": {"sd_vae": "vae_nan.safetensors"}}
    assert "vae_nan.safetensors: try other files" in refuse(service, 500, **vae)
    assert "control_nan" in refuse(service, 500, **steer("control_nan"))
    assert "The checkpoint is refiner_nan.safetensors." in refuse(service, 500, **REFINED)
    black = enlarge(service, "zzz")
    assert black.status == 422
    assert "zzz.safetensors: its " in black.body["detail"]
    whole = enlarge(service, "R-ESRGAN plain")
    assert Image.open(BytesIO(base64.b64decode(whole.body["image"]))).size == (128, 128)
