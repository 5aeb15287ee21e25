"""What an IP-Adapter adds is what diffusers' attention processor of it adds (contract 10.5)."""

import copy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import CLIPImageProcessor

from generator.control.image_encoders import CLIPVisionConfig, CLIPVisionModelWithProjection
from generator.control.image_prompts import ImagePrompt, ImagePromptReader
from generator.control.ip_adapters import cross_attentions
from generator.control.modules import find_module
from generator.control.picture_attention import grid_of
from generator.control.prepared_unit import PreparedUnit
from generator.control.steering import PassContext, Steering
from generator.errors import BadRequest, ModelNotFound, WrongArchitecture
from generator.models.added_condition import added_arguments
from generator.models.checkpoint import UNet2DConditionModel, load_checkpoint
from generator.models.families.family import Prediction
from generator.models.families.ldm.clip_vision import (
    VIT_BIG_G,
    VIT_H,
    encoder_sizes,
    vision_config,
)
from generator.models.families.sd1 import SD1
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind
from generator.models.registry import Folders, Registry
from generator.models.residency import Residency
from generator.request import ControlUnit
from generator.sampling.predictor import GuidanceSide, Rows
from generator.sampling.schedules import scaled_linear
from tests.generator.control import ip_adapter_files, sdxl_controls
from tests.generator.control.conftest import Vae

CPU = torch.device("cpu")
TABLE = scaled_linear().alphas_cumprod
SIDES = (GuidanceSide.POSITIVE, GuidanceSide.NEGATIVE)
BOTH = Rows((0, 0), SIDES, 5, 10)
PIXELS = np.random.RandomState(4).randint(0, 256, (40, 60, 3)).astype(np.uint8)
ENCODER = ip_adapter_files.encoder()


@pytest.fixture(scope="module")
def xl(tmp_path_factory: pytest.TempPathFactory) -> Any:
    data_dir = tmp_path_factory.mktemp("xl")
    sdxl_controls.make_checkpoints(data_dir, sdxl_controls.CHECKPOINT)
    (file,) = Registry(Folders.under(data_dir)).index.files_of(ModelKind.CHECKPOINT)
    return load_checkpoint(file, CPU, torch.float32)


def sd1(unet: Any) -> Any:
    """What a checkpoint of Stable Diffusion 1 is to the steering."""
    file = SimpleNamespace(name="small.safetensors")
    eps = Prediction.EPSILON
    return SimpleNamespace(unet=unet, family=SD1, prediction=eps, edm=None, file=file)


def read(data_dir: Path, name: str, module: str = "ip-adapter-auto", pixels: Any = PIXELS) -> Any:
    path = data_dir / "models/ControlNet" / name
    stat = path.stat()
    file = ModelFile(ModelKind.CONTROLNET, name, path, stat.st_size, stat.st_mtime_ns, stat.st_ino)
    reader = ImagePromptReader(CPU, torch.float32, Residency(lambda: 1 << 40))
    found = find_module(module)
    assert found is not None
    return reader.read(found, file, Registry(Folders.under(data_dir)), pixels)


def unit(prompt: ImagePrompt, region: Tensor | None = None, **fields: Any) -> PreparedUnit:
    module = find_module("ip-adapter-auto")
    assert module is not None
    made = ControlUnit(module.name, **fields)
    return PreparedUnit(made, module, PIXELS, "Just Resize", None, region, image_prompt=prompt)


def inputs(checkpoint: Any, side: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(3)
    x = torch.randn((2, 4, side, side), generator=draw)
    context = torch.randn((2, 7, checkpoint.unet.config.cross_attention_dim), generator=draw)
    return x, torch.full((2,), 500.0), context


def rows_of(checkpoint: Any) -> Rows:
    """Two rows, with the numbers that SDXL's U-Net reads beside the text."""
    width = checkpoint.unet.config.projection_class_embeddings_input_dim
    if width is None:
        return BOTH
    draw = torch.Generator().manual_seed(5)
    count = width - 6 * 255  # six numbers are each told by 256
    return replace(BOTH, vectors=torch.randn((2, count), generator=draw))


def steer(checkpoint: Any, *units: PreparedUnit) -> Tensor:
    draws = [torch.Generator().manual_seed(1)]
    steering = Steering(units, PassContext(Vae, TABLE, random=draws))
    with torch.no_grad():
        return steering.predict(checkpoint, *inputs(checkpoint), rows_of(checkpoint))


def by_diffusers(
    checkpoint: Any, adapters: list[tuple[str, dict[str, Any]]], scales: list[float]
) -> Tensor:
    """The U-Net's answer with diffusers' own processors; the second row sees no picture."""
    unet = copy.deepcopy(checkpoint.unet)
    unet._load_ip_adapter_weights([copy.deepcopy(p) for _, p in adapters], low_cpu_mem_usage=False)
    for processor in unet.attn_processors.values():
        if hasattr(processor, "to_k_ip"):
            processor.scale = scales
    small = cv2.resize(PIXELS, (28, 28), interpolation=cv2.INTER_AREA)
    processor = CLIPImageProcessor(size=28, crop_size=28, resample=3)
    values = processor(images=small, return_tensors="pt")["pixel_values"]
    both = ENCODER(torch.cat([values, torch.zeros_like(values)]), output_hidden_states=True)
    patches = _input_of_last_layer(torch.cat([values, torch.zeros_like(values)]))
    picture = torch.stack([both.image_embeds[0], torch.zeros_like(both.image_embeds[0])])
    seen = [(picture if kind == "linear" else patches)[:, None] for kind, _ in adapters]
    x, t, context = inputs(checkpoint)
    added = added_arguments(unet, rows_of(checkpoint).vectors).get("added_cond_kwargs", {})
    with torch.no_grad():
        return unet(x, t, context, added_cond_kwargs={**added, "image_embeds": seen}).sample


def _input_of_last_layer(values: Tensor) -> Tensor:
    """What the encoder's last layer reads, without transformers' word for it."""
    read: list[Tensor] = []
    layer = ENCODER.vision_model.encoder.layers[-1]
    handle = layer.register_forward_pre_hook(
        lambda _, args, named: read.append(args[0] if args else named["hidden_states"]),
        with_kwargs=True,
    )
    ENCODER(values)
    handle.remove()
    return read[0]


def near(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("kind", ["linear", "plus", "full"])
def test_it_adds_what_diffusers_adds(tmp_path: Path, unet: Any, kind: str) -> None:
    checkpoint, parts = sd1(unet), ip_adapter_files.adapter_for(unet, kind)
    ip_adapter_files.save_encoder(tmp_path, ENCODER)
    ip_adapter_files.save_adapter(tmp_path, "a.safetensors", parts)
    ip_adapter_files.save_adapter(tmp_path, "a.bin", parts)
    plain = steer(checkpoint)
    steered = steer(checkpoint, unit(read(tmp_path, "a.safetensors"), weight=0.7))
    assert near(steered, by_diffusers(checkpoint, [(kind, parts)], [0.7]))
    assert (steered - plain).abs().max() > 0.01
    assert near(steered, steer(checkpoint, unit(read(tmp_path, "a.bin"), weight=0.7)))
    assert torch.equal(steer(checkpoint), plain)  # nothing stays behind
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in unet.modules())


def test_two_of_sdxl_add_up(tmp_path: Path, xl: Any) -> None:
    one, two = (
        ip_adapter_files.adapter_for(xl.unet, k, seed) for seed, k in ((1, "plus"), (2, "linear"))
    )
    ip_adapter_files.save_encoder(tmp_path, ENCODER)
    ip_adapter_files.save_adapter(tmp_path, "one.safetensors", one)
    ip_adapter_files.save_adapter(tmp_path, "two.safetensors", two)
    units = (
        unit(read(tmp_path, "one.safetensors"), weight=0.5),
        unit(read(tmp_path, "two.safetensors"), weight=1.2),
    )
    expected = by_diffusers(xl, [("plus", one), ("linear", two)], [0.5, 1.2])
    steered = steer(xl, *units)
    assert near(steered, expected)
    assert (steered - steer(xl)).abs().max() > 0.01


@pytest.fixture(scope="module")
def prompt(tmp_path_factory: pytest.TempPathFactory, unet: Any) -> ImagePrompt:
    data_dir = tmp_path_factory.mktemp("prompt")
    ip_adapter_files.save_encoder(data_dir, ENCODER)
    parts = ip_adapter_files.adapter_for(unet, "plus")
    ip_adapter_files.save_adapter(data_dir, "a.safetensors", parts)
    return read(data_dir, "a.safetensors")


def test_weights_range_and_region(unet: Any, prompt: ImagePrompt) -> None:
    checkpoint = sd1(unet)
    plain, whole = steer(checkpoint), steer(checkpoint, unit(prompt))
    assert near(steer(checkpoint, unit(prompt, weight=0.0)), plain)
    assert torch.equal(steer(checkpoint, unit(prompt, guidance_start=0.9)), plain)
    assert near(steer(checkpoint, unit(prompt, region=torch.ones(1, 1, 64, 64))), whole)
    assert near(steer(checkpoint, unit(prompt, region=torch.zeros(1, 1, 64, 64))), plain)
    assert near(steer(checkpoint, unit(prompt, advanced_weighting=(1.0,) * 16)), whole)
    assert near(steer(checkpoint, unit(prompt, advanced_weighting=(-1.0,) * 16)), plain)
    with pytest.raises(BadRequest, match="has 2 numbers; the checkpoint has 16 transformers"):
        steer(checkpoint, unit(prompt, advanced_weighting=(1.0, 1.0)))


def test_weights_count_transformers_in_the_order_of_computation(
    unet: Any, prompt: ImagePrompt
) -> None:
    checkpoint, answers = sd1(unet), []
    middle = unet.mid_block.attentions[0]
    handle = middle.register_forward_hook(
        lambda _, args, output: answers.append((args[0], output[0]))
    )
    steer(checkpoint)
    for acting in (6, 7):  # six come before the middle
        weights = tuple(float(number == acting) for number in range(16))
        steer(checkpoint, unit(prompt, advanced_weighting=weights))
    handle.remove()
    plain, at_middle, behind = answers
    assert torch.equal(at_middle[0], plain[0])
    assert not near(at_middle[1], plain[1])
    assert torch.equal(behind[1], plain[1])


def test_what_a_mask_covers_is_not_seen(tmp_path: Path, unet: Any) -> None:
    ip_adapter_files.save_encoder(tmp_path, ENCODER)
    parts = ip_adapter_files.adapter_for(unet, "plus")
    ip_adapter_files.save_adapter(tmp_path, "a.safetensors", parts)
    covered = np.dstack([PIXELS, np.full(PIXELS.shape[:2], 255, np.uint8)])
    tokens = read(tmp_path, "a.safetensors", pixels=covered).tokens
    assert near(tokens[0], tokens[1])
    half = covered.copy()
    half[:, :30, 3] = 0
    assert not near(read(tmp_path, "a.safetensors", pixels=half).tokens[0], tokens[0])


@pytest.mark.parametrize("size", [(9, 13), (8, 8), (1, 3)])
def test_the_grid_of_each_level(size: tuple[int, int]) -> None:
    height, width = size
    for _ in range(4):
        assert grid_of(height * width, size) == (height, width)
        height, width = (height + 1) // 2, (width + 1) // 2


def test_one_for_another_base_is_refused_naming_both(
    unet: Any, xl: Any, prompt: ImagePrompt
) -> None:
    layout = replace(prompt.adapter.layout, text_width=768)
    with pytest.raises(WrongArchitecture) as refused:
        replace(prompt.adapter, layout=layout).check_fits(xl)
    told = str(refused.value)
    for words in ("a.safetensors", "tinyxl.safetensors", "Diffusion 1.x", "Diffusion XL"):
        assert words in told


def test_faces_need_what_is_not_here(tmp_path: Path, unet: Any) -> None:
    ip_adapter_files.save_encoder(tmp_path, ENCODER)
    parts = ip_adapter_files.adapter_for(unet, "face")
    ip_adapter_files.save_adapter(tmp_path, "faceid.bin", parts)
    with pytest.raises(WrongArchitecture, match=r"faceid\.bin.*insightface"):
        read(tmp_path, "faceid.bin")


def test_an_encoder_that_is_not_here_is_named(tmp_path: Path, unet: Any) -> None:
    parts = ip_adapter_files.adapter_for(unet, "linear")
    parts["image_proj"]["proj.weight"] = torch.zeros(64, 1024)
    ip_adapter_files.save_encoder(tmp_path, ENCODER)  # of other widths
    ip_adapter_files.save_adapter(tmp_path, "a.safetensors", parts)
    with pytest.raises(ModelNotFound, match=rf"CLIP ViT-H/14.*{ip_adapter_files.ENCODERS}"):
        read(tmp_path, "a.safetensors")
    with pytest.raises(
        BadRequest, match=r"bigG/14, but a\.safetensors was trained with CLIP ViT-H"
    ):
        read(tmp_path, "a.safetensors", "ip-adapter_clip_sdxl")


def test_what_is_no_ip_adapter_is_told(tmp_path: Path) -> None:
    control = {"image_proj": {}, "control_model": {"zero_convs.0.0.weight": torch.zeros(2, 2)}}
    ip_adapter_files.save_adapter(tmp_path, "lines.safetensors", control)
    with pytest.raises(WrongArchitecture, match=r"lines\.safetensors was asked to steer as an IP"):
        read(tmp_path, "lines.safetensors")


XL_SIZES: dict[str, Any] = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
}


@pytest.mark.parametrize(
    ("sizes", "layers", "transformers"),
    [({"cross_attention_dim": 768}, 16, 16), (XL_SIZES, 70, 11)],
)
def test_the_layers_of_the_real_sizes(sizes: Any, layers: int, transformers: int) -> None:
    """In the order in which diffusers gives an IP-Adapter's numbers out."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(**sizes)
    found = cross_attentions(unet)
    names = [name.removesuffix(".processor") for name in unet.attn_processors if "attn2" in name]
    assert [layer for _, layer in found] == [unet.get_submodule(name) for name in names]
    assert (len(found), 1 + max(number for number, _ in found)) == (layers, transformers)


@pytest.mark.parametrize(
    ("known", "width", "inner", "depth"), [(VIT_H, 1280, 5120, 32), (VIT_BIG_G, 1664, 8192, 48)]
)
def test_the_sizes_of_the_real_encoders(known: Any, width: int, inner: int, depth: int) -> None:
    config = {
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": depth,
        "projection_dim": known.picture_width,
        "num_attention_heads": 16,
        "image_size": 224,
        "patch_size": 14,
        "num_channels": 3,
        "hidden_act": "gelu",
    }
    with torch.device("meta"):
        network = CLIPVisionModelWithProjection(CLIPVisionConfig(**config))
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert vision_config(shapes) == config
    assert encoder_sizes(shapes) == known
