"""The names of SD1's single file (LDM's layout) for the networks of diffusers and transformers."""

import re

import torch
from torch import Tensor, nn

from generator.models.families.ldm import keys

_ATTENTION = (("group_norm", "norm"), ("to_q", "q"), ("to_k", "k"), ("to_v", "v"))


def unet_tensors(unet: nn.Module, blocks: int) -> dict[str, Tensor]:
    """The U-Net's tensors by their names in the file; ``blocks`` are its layers per block."""
    state = unet.state_dict()
    crossed = {
        name.split(".")[1] for name in state if name.startswith("up_blocks.") and "attn1" in name
    }
    return {
        f"model.diffusion_model.{_unet_name(name, blocks, crossed)}": tensor
        for name, tensor in state.items()
    }


def _unet_name(name: str, blocks: int, crossed: set[str]) -> str:
    for old, new in keys.UNET_ENDS.items():
        if name.startswith(f"{new}."):
            return f"{old}.{_resnet_name(name.removeprefix(f'{new}.'))}"
    side, level, kind, index, rest = name.split(".", 4)
    stride = blocks + 1
    if side == "down_blocks":
        if kind == "downsamplers":
            return f"input_blocks.{(int(level) + 1) * stride}.0.op.{rest.removeprefix('conv.')}"
        place = f"input_blocks.{1 + int(level) * stride + int(index)}"
    else:
        if kind == "upsamplers":
            slot = 2 if level in crossed else 1
            return f"output_blocks.{int(level) * stride + blocks}.{slot}.{rest}"
        place = f"output_blocks.{int(level) * stride + int(index)}"
    return f"{place}.1.{rest}" if kind == "attentions" else f"{place}.0.{_resnet_name(rest)}"


def _resnet_name(rest: str) -> str:
    for old, new in keys.RESNET.items():
        if rest.startswith(f"{new}."):
            return old + rest.removeprefix(new)
    return rest


def vae_tensors(vae: nn.Module, levels: int) -> dict[str, Tensor]:
    """The autoencoder's tensors by their names in the file; attention as 1 x 1 convolutions."""
    named = {}
    for name, tensor in vae.state_dict().items():
        is_map = "attentions" in name and tensor.ndim == 2
        shaped = tensor[:, :, None, None] if is_map else tensor
        named[f"first_stage_model.{_vae_name(name, levels)}"] = shaped
    return named


def _vae_name(name: str, levels: int) -> str:
    turned = levels - 1
    name = re.sub(r"up_blocks\.(\d+)", lambda found: f"up_blocks.{turned - int(found[1])}", name)
    name = name.replace("down_blocks.", "down.").replace("up_blocks.", "up.")
    name = re.sub(r"(down|up)\.(\d+)\.resnets\.", r"\1.\2.block.", name)
    name = re.sub(r"(down|up)samplers\.0\.", r"\1sample.", name)
    name = re.sub(r"mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}", name)
    if "mid_block.attentions.0." in name:
        name = name.replace("mid_block.attentions.0.", "mid.attn_1.")
        name = name.replace("to_out.0.", "proj_out.")
        for new, old in _ATTENTION:
            name = name.replace(f"attn_1.{new}.", f"attn_1.{old}.")
    return name.replace("conv_shortcut", "nin_shortcut").replace("conv_norm_out", "norm_out")


def text_tensors(text: nn.Module) -> dict[str, Tensor]:
    """The text encoder's tensors by their names in the file, positions included."""
    stem = "cond_stage_model.transformer.text_model."
    named = {
        stem + name.removeprefix("text_model."): tensor
        for name, tensor in text.state_dict().items()
        if not name.endswith("position_ids")
    }
    length = named[f"{stem}embeddings.position_embedding.weight"].shape[0]
    named[f"{stem}embeddings.position_ids"] = torch.arange(length)[None]  # (1, 77)
    return named
