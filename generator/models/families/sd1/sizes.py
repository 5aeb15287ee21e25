"""Reads the sizes of SD1's three networks from the shapes of their tensors.

Shapes tell everything but the number of attention heads and of norm groups: those come from
:class:`Hints`, else the rule of the original family holds (8 heads, 32 groups, text width / 64).
The answers are configurations of diffusers' ``UNet2DConditionModel`` and ``AutoencoderKL`` and of
transformers' ``CLIPTextModel``.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from generator.models.families.architecture import Shapes

Config = dict[str, Any]

LATENT = 4  # channels of a latent
UNET = "model.diffusion_model."
VAE = "first_stage_model."
TEXT = "cond_stage_model.transformer.text_model."


@dataclass(frozen=True, slots=True)
class Hints:
    """What a checkpoint's metadata or ``.yaml`` says beyond its shapes. Empty: the SD1 rule."""

    unet: Config = field(default_factory=dict)
    vae: Config = field(default_factory=dict)
    text: Config = field(default_factory=dict)
    prediction: str = "epsilon"  # epsilon | v_prediction
    default_size: int | None = None  # pixels a side that the model was trained at


def unet_config(shapes: Shapes, hints: Hints) -> Config:
    """The U-Net's configuration: channels, levels, blocks, attention, context width."""
    layout = unet_layout(shapes)
    cross = [_unet_level(kind, layout.attention) for kind in ("Down", "Up")]
    width = next(shape[1] for name, shape in shapes.items() if name.endswith(".attn2.to_k.weight"))
    sizes = {
        "in_channels": shapes[f"{UNET}input_blocks.0.0.weight"][1],
        "out_channels": shapes[f"{UNET}out.2.weight"][0],
        "block_out_channels": list(layout.channels),
        "layers_per_block": layout.blocks,
        "down_block_types": cross[0],
        "up_block_types": cross[1][::-1],
        "transformer_layers_per_block": layout.depth,
        "cross_attention_dim": width,
        "use_linear_projection": len(shapes[f"{UNET}middle_block.1.proj_in.weight"]) == 2,
    }
    return (
        _default_config("unet")
        | _chosen_hints(hints.unet, "attention_head_dim", "norm_num_groups")
        | sizes
    )


@dataclass(frozen=True, slots=True)
class UnetLayout:
    """How LDM's flat list of blocks divides into levels."""

    channels: tuple[int, ...]  # of each level, finest first
    blocks: int  # residual blocks a level on the way down
    attention: tuple[bool, ...]  # whether a level has transformers
    depth: int  # transformer layers in each


def unet_layout(shapes: Shapes) -> UnetLayout:
    """Divide ``input_blocks`` at the downsamplers (``.0.op.weight``)."""
    levels: list[list[tuple[int, bool]]] = [[]]  # of each block: channels, has a transformer
    for index in range(1, count_entries(shapes, f"{UNET}input_blocks.")):
        prefix = f"{UNET}input_blocks.{index}."
        if f"{prefix}0.op.weight" in shapes:
            levels.append([])
        else:
            out = shapes[f"{prefix}0.out_layers.3.weight"][0]
            levels[-1].append((out, f"{prefix}1.norm.weight" in shapes))
    return UnetLayout(
        channels=tuple(level[-1][0] for level in levels),
        blocks=len(levels[0]),
        attention=tuple(level[-1][1] for level in levels),
        depth=count_entries(shapes, f"{UNET}middle_block.1.transformer_blocks."),
    )


def layout_of_config(config: Mapping[str, Any]) -> UnetLayout:
    """The layout of a U-Net that was built of ``config`` (diffusers' keys)."""
    return UnetLayout(
        channels=tuple(config["block_out_channels"]),
        blocks=config["layers_per_block"],
        attention=tuple("CrossAttn" in kind for kind in config["down_block_types"]),
        depth=config["transformer_layers_per_block"],
    )


def vae_config(shapes: Shapes, hints: Hints) -> Config:
    """The VAE's configuration. ``shapes`` carry the prefix of the whole checkpoint."""
    levels = count_entries(shapes, f"{VAE}encoder.down.")
    channels = [
        shapes[f"{VAE}encoder.down.{level}.block.0.conv2.weight"][0] for level in range(levels)
    ]
    sizes = {
        "latent_channels": shapes[f"{VAE}post_quant_conv.weight"][0],
        "block_out_channels": channels,
        "layers_per_block": count_entries(shapes, f"{VAE}encoder.down.0.block."),
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "mid_block_add_attention": f"{VAE}decoder.mid.attn_1.q.weight" in shapes,
    }
    return (
        _default_config("vae")
        | _chosen_hints(hints.vae, "norm_num_groups", "scaling_factor")
        | sizes
    )


def text_config(shapes: Shapes, hints: Hints) -> Config:
    """The text encoder's configuration; ``shapes`` start with :data:`TEXT`."""
    tokens, width = shapes[f"{TEXT}embeddings.token_embedding.weight"]
    sizes = {
        "vocab_size": tokens,
        "hidden_size": width,
        "projection_dim": width,
        "intermediate_size": shapes[f"{TEXT}encoder.layers.0.mlp.fc1.weight"][0],
        "num_hidden_layers": count_entries(shapes, f"{TEXT}encoder.layers."),
        "max_position_embeddings": shapes[f"{TEXT}embeddings.position_embedding.weight"][0],
    }
    heads = {"num_attention_heads": max(1, width // 64)}
    return (
        _default_config("text")
        | heads
        | _chosen_hints(hints.text, "num_attention_heads", "hidden_act")
        | sizes
    )


def count_entries(shapes: Shapes, prefix: str) -> int:
    """How many numbers follow ``prefix`` in the names: blocks in a list."""
    numbers = {
        name.removeprefix(prefix).partition(".")[0] for name in shapes if name.startswith(prefix)
    }
    return len(numbers)


def _unet_level(kind: str, attention: tuple[bool, ...]) -> list[str]:
    return [f"CrossAttn{kind}Block2D" if has else f"{kind}Block2D" for has in attention]


def _chosen_hints(hints: Config, *keys: str) -> Config:
    return {key: hints[key] for key in keys if hints.get(key) is not None}


def _default_config(name: str) -> Config:
    text = files("generator.models.families.sd1").joinpath(f"{name}.json").read_text("utf-8")
    config: Config = json.loads(text)
    return config
