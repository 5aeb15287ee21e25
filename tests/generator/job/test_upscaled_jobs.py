"""Jobs whose pictures a network enlarges between the passes, or before the first one."""

import base64
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from generator.engine import Engine
from generator.errors import BadRequest
from generator.models import torchvision_ops
from generator.request import GenerationRequest, HiresFix, Origin, Sampling, Seeds, Snapshot
from tests.parity.compare import psnr
from tests.parity.service import build_engine


@pytest.fixture(scope="module")
def engine(goldens: Path, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    torch.set_num_threads(1)
    data = tmp_path_factory.mktemp("data")
    torchvision_ops.prepare()
    from spandrel.architectures.ESRGAN import ESRGAN

    torch.manual_seed(1)
    tensors = ESRGAN(num_filters=4, num_blocks=1, scale=4).state_dict()
    (data / "models" / "ESRGAN").mkdir(parents=True)
    path = data / "models" / "ESRGAN" / "tiny.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return build_engine(goldens, data)


@pytest.fixture
def small() -> GenerationRequest:
    return GenerationRequest(
        prompt="a red cat",
        seeds=Seeds(7),
        sampling=Sampling("Euler", steps=2),
        width=64,
        height=64,
        checkpoint="tinysd15",
        options=Snapshot(randn_source="CPU"),
    )


def test_hires_fix_enlarges_by_a_network(engine: Engine, small: GenerationRequest) -> None:
    by_network = replace(small, hires=HiresFix(0.3, 1.5, upscaler="tiny"))
    drawn = engine.run(by_network).pictures[0]
    by_lanczos = replace(small, hires=HiresFix(0.3, 1.5, upscaler="Lanczos"))
    plain = engine.run(by_lanczos).pictures[0]
    assert drawn.image.size == plain.image.size == (96, 96)
    assert "Hires upscaler: tiny" in drawn.infotext
    assert psnr(drawn.image, plain.image) < 40


def test_img2img_enlarges_by_the_options_upscaler(engine: Engine, small: GenerationRequest) -> None:
    buffer = BytesIO()
    Image.linear_gradient("L").resize((32, 32)).convert("RGB").save(buffer, "PNG")
    origin = Origin((base64.b64encode(buffer.getvalue()).decode(),), strength=0.3)
    plain = replace(small, origin=origin)
    network = replace(small.options, upscaler_for_img2img="tiny")
    first = engine.run(plain).pictures[0].image
    assert psnr(first, engine.run(replace(plain, options=network)).pictures[0].image) < 40
    absent = replace(small.options, upscaler_for_img2img="absent")
    with pytest.raises(BadRequest, match="could not find upscaler named absent"):
        engine.run(replace(plain, options=absent))
