"""Files are recognised by their headers: the recorded ones, and the usual layouts."""

from pathlib import Path

import pytest

from generator.models.header import read_header
from generator.models.kind_detection import detect_kind
from generator.models.kinds import ModelKind


def shapes(*names: str, shape: tuple[int, ...] = (4, 4)) -> dict[str, tuple[int, ...]]:
    return dict.fromkeys(names, shape)


@pytest.mark.parametrize(
    ("names", "kind", "folder"),
    [
        (("lora_unet_mid_block_attn.lora_down.weight",), ModelKind.LORA, "models/Lora"),
        (
            ("transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight",),
            ModelKind.LORA,
            None,
        ),
        (("unet.down_blocks.0.attn1.processor.to_q_lora.up.weight",), ModelKind.LORA, None),
        (("lora_te_text_model_encoder_layers_0_mlp_fc1.hada_w1_a",), ModelKind.LORA, None),
        (("diffusion_model.double_blocks.0.img_attn.proj.lokr_w1",), ModelKind.LORA, None),
        (("first_stage_model.decoder.conv_in.weight",), ModelKind.VAE, "models/VAE"),
        (("decoder.conv_in.weight", "encoder.conv_in.weight"), ModelKind.VAE, None),
        (("emb_params",), ModelKind.EMBEDDING, "embeddings"),
        (("control_model.zero_convs.0.0.weight",), ModelKind.CONTROLNET, "models/ControlNet"),
        (("controlnet_down_blocks.0.weight",), ModelKind.CONTROLNET, None),
        (("adapter.body.0.in_conv.weight",), ModelKind.CONTROLNET, None),
        (("lora_controlnet", "input_blocks.0.0.up"), ModelKind.CONTROLNET, None),
        (("body.0.rdb1.conv1.weight", "conv_first.weight"), ModelKind.UPSCALER, "models/ESRGAN"),
        (("model.1.sub.0.RDB1.conv1.0.weight",), ModelKind.UPSCALER, "models/ESRGAN"),
        (("params_ema.layers.0.residual_group.blocks.0.x",), ModelKind.UPSCALER, "models/SwinIR"),
        (("model.diffusion_model.double_blocks.0.norm.scale",), ModelKind.CHECKPOINT, None),
        (("model.diffusion_model.input_blocks.0.0.weight",), ModelKind.CHECKPOINT, None),
        (("down_blocks.0.resnets.0.conv1.weight",), None, None),
        (("encoder.layers.0.weight",), None, None),
    ],
)
def test_by_names(names: tuple[str, ...], kind: ModelKind | None, folder: str | None) -> None:
    found = detect_kind(shapes(*names), {})
    assert found.kind is kind
    assert folder in (None, found.folder)


def test_by_shape_or_by_word() -> None:
    assert detect_kind({"clip_g": (4, 1280), "clip_l": (4, 768)}, {}).kind is ModelKind.EMBEDDING
    spec = {"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"}
    found = detect_kind(shapes("what"), spec)
    assert (found.kind, found.architecture) == (ModelKind.LORA, "stable-diffusion-xl-v1-base")
    names = "lora_unet_x_attn2_to_k.lora_down.weight"
    assert detect_kind({names: (8, 768)}, {}).architecture == "Stable Diffusion 1.x"
    assert detect_kind({names: (8, 2048)}, {}).architecture == "Stable Diffusion XL"
    adapter = detect_kind({"ip_adapter.1.to_k_ip.weight": (640, 2048)}, {})
    assert adapter.kind is ModelKind.CONTROLNET
    assert adapter.architecture == "an IP-Adapter for Stable Diffusion XL"


def test_recorded_models_belong_where_they_lay(goldens: Path) -> None:
    from tests.parity.service import MODEL_FOLDERS

    for name, place in MODEL_FOLDERS.items():
        if name.endswith(".safetensors"):
            header = read_header(goldens / "checkpoint" / name)
            tensors = {key: entry.shape for key, entry in header.tensors.items()}
            assert detect_kind(tensors, header.metadata).folder == place, name
