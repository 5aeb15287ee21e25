"""Every layer of every family is found by LDM's, kohya's and diffusers' names.

The checkpoints' tensors all differ, so that a layer is known by what it holds; the names are those
of the shape tables, of which the product knows nothing.
"""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from generator.models.adapter_layers import AdaptedLayer, block_of, layers_by_kohya_name
from generator.models.adapter_names import parse_key
from generator.models.checkpoint import Checkpoint
from tests.generator.models.tiny_checkpoints import SHAPES, load_tiny, tensors_of

UNET = "model.diffusion_model."
OPEN_CLIP = {
    "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2", "attn.out_proj": "self_attn.out_proj",
    "ln_1": "layer_norm1", "ln_2": "layer_norm2",
}  # fmt: skip
ENCODERS = {  # prefix in the file, then what stands before a layer's name in LoRA files
    "sd1": (("cond_stage_model.transformer.text_model.", "lora_te_", "text_encoder."),),
    "sd2": (("cond_stage_model.model.", "lora_te_", "text_encoder."),),
    "sdxl": (
        ("conditioner.embedders.0.transformer.text_model.", "lora_te1_", "text_encoder."),
        ("conditioner.embedders.1.model.", "lora_te2_", "text_encoder_2."),
    ),
}


@pytest.fixture(scope="module", params=SHAPES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def checkpoint(family: str, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return load_tiny(family, tmp_path_factory.mktemp("checkpoint"))


def find(layers: dict[str, AdaptedLayer], key: str) -> AdaptedLayer:
    target = parse_key(key)
    assert target is not None, key
    assert target.factor == "alpha", key
    assert target.layer in layers, key
    return layers[target.layer]


def text_layers(tensors: dict[str, Tensor], prefix: str) -> Iterator[tuple[str, Tensor]]:
    """Each layer of a text encoder in transformers' words, and its weight."""
    for name, tensor in tensors.items():
        layer = name.removeprefix(prefix).removesuffix(".weight")
        place, _, part = layer.removeprefix("transformer.resblocks.").partition(".")
        if not name.startswith(prefix) or "embedding" in name:
            continue
        if layer.endswith("attn.in_proj_weight"):
            for side, own in zip("qkv", tensor.chunk(3), strict=True):
                yield f"encoder.layers.{place}.self_attn.{side}_proj", own
        elif part in OPEN_CLIP and name.endswith(".weight"):
            yield f"encoder.layers.{place}.{OPEN_CLIP[part]}", tensor
        elif layer.startswith("encoder.layers.") and name.endswith(".weight"):
            yield layer, tensor


def test_layers_of_the_unet_by_ldms_names(family: str, checkpoint: Checkpoint) -> None:
    layers, tensors = layers_by_kohya_name(checkpoint), tensors_of(family)
    names = [name for name in tensors if name.startswith(UNET) and name.endswith(".weight")]
    assert len(names) > 100
    for name in names:
        layer = name.removeprefix(UNET).removesuffix(".weight")
        flat = f"lora_unet_{layer.replace('.', '_')}.alpha"
        for key in (flat, f"diffusion_model.{layer}.alpha", f"{UNET}{layer}.alpha"):
            found = find(layers, key)
            assert torch.equal(found.module.weight, tensors[name]), key
            assert found.block == block_of(layer), key


def test_layers_of_the_unet_by_diffusers_names(checkpoint: Checkpoint) -> None:
    layers = layers_by_kohya_name(checkpoint)
    for name, module in checkpoint.unet.named_modules():
        if getattr(module, "weight", None) is not None:
            flat = name.replace(".", "_")
            for own in ("unet.", "base_model.model.unet."):
                assert find(layers, f"{own}{name}.alpha").module is module, name
            for own in ("lora_unet_", "lycoris_unet_"):
                assert find(layers, f"{own}{flat}.alpha").module is module, name


def test_layers_of_the_text_encoders(family: str, checkpoint: Checkpoint) -> None:
    layers, tensors = layers_by_kohya_name(checkpoint), tensors_of(family)
    for prefix, flat, dotted in ENCODERS[family]:
        found = dict(text_layers(tensors, prefix))
        assert len(found) == 2 * 8  # four of attention, two of the MLP, two norms
        for name, weight in found.items():
            for key in (f"{flat}text_model_{name.replace('.', '_')}",
                        f"{flat}{name.replace('.', '_')}", f"{dotted}text_model.{name}",
                        f"{dotted}{name}"):  # fmt: skip
                layer = find(layers, f"{key}.alpha")
                assert torch.equal(layer.module.weight, weight), key
                assert layer.block == "BASE"
        norm = find(layers, f"{flat}text_model_final_layer_norm.alpha")
        assert norm is find(layers, f"{dotted}text_model.final_layer_norm.alpha")


@pytest.mark.parametrize(
    ("layer", "block"),
    [
        ("input_blocks.0.0", "IN00"), ("input_blocks.11.0.in_layers.2", "IN11"),
        ("middle_block.1.proj_in", "M00"), ("output_blocks.3.1.norm", "OUT03"),
        ("time_embed.0", None), ("out.2", None), ("label_emb.0.0", None),
    ],
)  # fmt: skip
def test_blocks_by_ldms_names(layer: str, block: str | None) -> None:
    assert block_of(layer) == block
