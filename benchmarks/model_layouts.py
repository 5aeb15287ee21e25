"""Names and shapes of the tensors in single files of the usual sizes."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from generator.models.checkpoint import (
    AutoencoderKL,
    CLIPTextConfig,
    CLIPTextModel,
    UNet2DConditionModel,
)
from training.layout import text_tensors, unet_tensors, vae_tensors

Layout = Mapping[str, tuple[int, ...]]

WIDTH_L, WIDTH_G, DEPTH_G = 768, 1280, 32  # of CLIP-L; of OpenCLIP's bigG, and its layers
OPEN_CLIP = "conditioner.embedders.1.model."
SD1_UNET = {"cross_attention_dim": WIDTH_L}
SDXL_UNET = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": WIDTH_L + WIDTH_G,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": WIDTH_G + 6 * 256,
}


def sd1_layout() -> Layout:
    """Stable Diffusion 1.5: 2.0 GB of fp16."""
    return _unet(SD1_UNET) | _vae() | _clip_l()


def sdxl_layout() -> Layout:
    """Stable Diffusion XL: 6.5 GB of fp16."""
    prefix = "conditioner.embedders.0."
    clip_l = {name.replace("cond_stage_model.", prefix): shape for name, shape in _clip_l().items()}
    return _unet(SDXL_UNET) | _vae() | clip_l | _open_clip()


def _without_memory(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.device("meta"):
        return build()


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def _unet(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    return _shapes(unet_tensors(_without_memory(lambda: UNet2DConditionModel(**config)), 2))


def _vae() -> dict[str, tuple[int, ...]]:
    channels = (128, 256, 512, 512)
    kinds = {f"{side}_block_types": (f"{side.title()}{kind}Block2D",) * 4 for side, kind in
             (("down", "Encoder"), ("up", "Decoder"))}  # fmt: skip
    vae = _without_memory(
        lambda: AutoencoderKL(block_out_channels=channels, layers_per_block=2, **kinds)
    )
    return _shapes(vae_tensors(vae, len(channels)))


def _clip_l() -> dict[str, tuple[int, ...]]:
    config = CLIPTextConfig(hidden_size=WIDTH_L, intermediate_size=4 * WIDTH_L,
                            num_hidden_layers=12, num_attention_heads=12)  # fmt: skip
    named = text_tensors(_without_memory(lambda: CLIPTextModel(config)))
    return {name: shape for name, shape in _shapes(named).items() if "position_ids" not in name}


def _open_clip() -> dict[str, tuple[int, ...]]:
    wide = WIDTH_G
    ends = {
        "positional_embedding": (77, wide), "text_projection": (wide, wide), "logit_scale": (),
        "token_embedding.weight": (49408, wide), "ln_final.weight": (wide,),
        "ln_final.bias": (wide,),
    }  # fmt: skip
    layer = {
        "ln_1.weight": (wide,), "ln_1.bias": (wide,), "ln_2.weight": (wide,), "ln_2.bias": (wide,),
        "attn.in_proj_weight": (3 * wide, wide), "attn.in_proj_bias": (3 * wide,),
        "attn.out_proj.weight": (wide, wide), "attn.out_proj.bias": (wide,),
        "mlp.c_fc.weight": (4 * wide, wide), "mlp.c_fc.bias": (4 * wide,),
        "mlp.c_proj.weight": (wide, 4 * wide), "mlp.c_proj.bias": (wide,),
    }  # fmt: skip
    layers = {
        f"transformer.resblocks.{number}.{name}": shape
        for number in range(DEPTH_G)
        for name, shape in layer.items()
    }
    return {f"{OPEN_CLIP}{name}": shape for name, shape in (ends | layers).items()}
