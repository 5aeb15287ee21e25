"""Tensor names of a single file (LDM's layout) -> diffusers' and transformers' names.

LDM numbers its U-Net blocks through; diffusers divides them into levels. The VAE's decoder levels
are numbered from the finest in LDM and from the coarsest in diffusers.
"""

import re
from collections.abc import Callable, Iterable

from generator.models.families.architecture import Shapes
from generator.models.families.family import TextEncoderSpec
from generator.models.families.ldm.sizes import TEXT, UNET, VAE, UnetLayout, count_entries

Renames = dict[str, str]  # name in the file -> name in the network

RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
UNET_ENDS = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "label_emb.0.0": "add_embedding.linear_1",
    "label_emb.0.2": "add_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
    "middle_block.0": "mid_block.resnets.0",
    "middle_block.1": "mid_block.attentions.0",
    "middle_block.2": "mid_block.resnets.1",
}
VAE_PARTS = (
    (r"\bdown\.(\d+)\.block\.", r"down_blocks.\1.resnets."),
    (r"\bdown\.(\d+)\.downsample\.", r"down_blocks.\1.downsamplers.0."),
    (r"\bup\.(\d+)\.block\.", r"up_blocks.\1.resnets."),
    (r"\bup\.(\d+)\.upsample\.", r"up_blocks.\1.upsamplers.0."),
    (r"\bmid\.block_1\.", "mid_block.resnets.0."),
    (r"\bmid\.block_2\.", "mid_block.resnets.1."),
    (r"\bmid\.attn_1\.norm\.", "mid_block.attentions.0.group_norm."),
    (r"\bmid\.attn_1\.([qkv])\.", r"mid_block.attentions.0.to_\1."),
    (r"\bmid\.attn_1\.proj_out\.", "mid_block.attentions.0.to_out.0."),
    (r"\bnin_shortcut\.", "conv_shortcut."),
    (r"\bnorm_out\.", "conv_norm_out."),
)

LDM_VAE_PARTS = (
    (r"\bdown_blocks\.(\d+)\.resnets\.", r"down.\1.block."),
    (r"\bdown_blocks\.(\d+)\.downsamplers\.0\.", r"down.\1.downsample."),
    (r"\bup_blocks\.(\d+)\.resnets\.", r"up.\1.block."),
    (r"\bup_blocks\.(\d+)\.upsamplers\.0\.", r"up.\1.upsample."),
    (r"\bmid_block\.resnets\.0\.", "mid.block_1."),
    (r"\bmid_block\.resnets\.1\.", "mid.block_2."),
    (r"\bmid_block\.attentions\.0\.group_norm\.", "mid.attn_1.norm."),
    (r"\bmid_block\.attentions\.0\.(?:to_)?(q|k|v)(?:uery|ey|alue)?\.", r"mid.attn_1.\1."),
    (r"\bmid_block\.attentions\.0\.(?:to_out\.0|proj_attn)\.", "mid.attn_1.proj_out."),
    (r"\bconv_shortcut\.", "nin_shortcut."),
    (r"\bconv_norm_out\.", "norm_out."),
)
"""The way back; before 0.15 diffusers said query, key, value and proj_attn in attention."""

COMFY_TEXT = TEXT.replace("cond_stage_model.", "cond_stage_model.clip_l.")
OLD_TEXT = TEXT.removesuffix("text_model.")
OLD_TEXT_PARTS = tuple(
    f"{OLD_TEXT}{part}" for part in ("embeddings.", "encoder.", "final_layer_norm.")
)


def unet_names(shapes: Shapes, layout: UnetLayout) -> Renames:
    """Each tensor below :data:`UNET` with its name in ``UNet2DConditionModel``."""
    blocks = UNET_ENDS | _input_blocks(layout) | _output_blocks(layout)
    return _rename_below(shapes, UNET, lambda name: _unet_name(name, blocks))


def ldm_layers(layers: Iterable[str], layout: UnetLayout) -> Renames:
    """The names that LDM gives the ``layers`` of ``UNet2DConditionModel``, where they differ."""
    blocks = UNET_ENDS | _input_blocks(layout) | _output_blocks(layout)
    heads = {new: old for old, new in blocks.items()}
    parts = {new: old for old, new in RESNET.items()}
    names = {}
    for layer in layers:
        head = next((head for head in heads if f"{layer}.".startswith(f"{head}.")), None)
        if head is not None:
            rest = layer.removeprefix(head).removeprefix(".")
            rest = parts.get(rest, rest) if ".resnets." in f"{head}." else rest
            names[layer] = f"{heads[head]}.{rest}" if rest else heads[head]
    return names


def vae_names(shapes: Shapes) -> Renames:
    """Each tensor below :data:`VAE` with its name in ``AutoencoderKL``."""
    levels = count_entries(shapes, f"{VAE}decoder.up.")
    return _rename_below(shapes, VAE, lambda name: _vae_name(name, levels))


def ldm_vae_names(names: Iterable[str]) -> Renames:
    """LDM's name of each tensor of an ``AutoencoderKL``; names that are LDM's already stay."""
    names = tuple(names)
    levels = len({m[1] for name in names if (m := re.match(r"decoder\.up_blocks\.(\d+)\.", name))})
    return {name: _ldm_vae_name(name, levels) for name in names}


def old_text_name(name: str) -> str:
    """The name of a tensor as most checkpoints have it.

    Some early ones lack ``text_model.`` in the names of the text encoder; files that ComfyUI saves
    have ``clip_l.`` before it.
    """
    if name.startswith(COMFY_TEXT):
        return name.replace(COMFY_TEXT, TEXT, 1)
    return name.replace(OLD_TEXT, TEXT, 1) if name.startswith(OLD_TEXT_PARTS) else name


def text_names(shapes: Shapes, spec: TextEncoderSpec) -> Renames:
    """Each tensor of a text encoder with its name in transformers' network (>= 5.6).

    That is ``CLIPTextModel``, or ``CLIPTextModelWithProjection`` where the text is pooled.
    """

    def rename(name: str) -> str | None:
        if name.endswith("position_ids"):
            return None
        if name.startswith("text_projection"):
            return name if spec.pooled else None
        return f"text_model.{name}" if spec.pooled else name

    return _rename_below(shapes, spec.prefix, rename)


def _rename_below(shapes: Shapes, prefix: str, rename: Callable[[str], str | None]) -> Renames:
    below = (name for name in shapes if name.startswith(prefix))
    pairs = ((name, rename(name.removeprefix(prefix))) for name in below)
    return {name: new for name, new in pairs if new is not None}


def _unet_name(name: str, blocks: Renames) -> str:
    head = next((head for head in blocks if name.startswith(f"{head}.")), None)
    if head is None:
        return name  # unknown: loading reports it
    new, rest = blocks[head], name.removeprefix(f"{head}.")
    part = next((part for part in RESNET if rest.startswith(f"{part}.")), None)
    if ".resnets." in f"{new}." and part is not None:
        rest = RESNET[part] + rest.removeprefix(part)
    return f"{new}.{rest}"


def _input_blocks(layout: UnetLayout) -> Renames:
    stride = layout.blocks + 1
    names = {}
    for level in range(len(layout.channels)):
        for block in range(layout.blocks):
            old = f"input_blocks.{1 + level * stride + block}"
            names[f"{old}.0"] = f"down_blocks.{level}.resnets.{block}"
            names[f"{old}.1"] = f"down_blocks.{level}.attentions.{block}"
        down = f"input_blocks.{(level + 1) * stride}.0.op"
        names[down] = f"down_blocks.{level}.downsamplers.0.conv"
    return names


def _output_blocks(layout: UnetLayout) -> Renames:
    stride = layout.blocks + 1
    names = {}
    for level, attention in enumerate(reversed(layout.attention)):
        for block in range(stride):
            old = f"output_blocks.{level * stride + block}"
            names[f"{old}.0"] = f"up_blocks.{level}.resnets.{block}"
            if attention:
                names[f"{old}.1"] = f"up_blocks.{level}.attentions.{block}"
        last = f"output_blocks.{level * stride + layout.blocks}"
        names[f"{last}.{2 if attention else 1}.conv"] = f"up_blocks.{level}.upsamplers.0.conv"
    return names


def _vae_name(name: str, levels: int) -> str | None:
    if not name.startswith(("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")):
        return None  # the training loss, EMA copies
    renamed = re.sub(r"\bup\.(\d+)\.", lambda found: f"up.{levels - 1 - int(found[1])}.", name)
    for pattern, new in VAE_PARTS:
        renamed = re.sub(pattern, new, renamed)
    return renamed


def _ldm_vae_name(name: str, levels: int) -> str:
    turned = re.sub(
        r"\bup_blocks\.(\d+)\.", lambda found: f"up_blocks.{levels - 1 - int(found[1])}.", name
    )
    for pattern, old in LDM_VAE_PARTS:
        turned = re.sub(pattern, old, turned)
    return turned
