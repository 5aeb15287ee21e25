"""Sizes of the three networks, as diffusers and transformers configurations."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

TOKENS = 77  # of a prompt, start and end included
VOCABULARY = 49408  # CLIP's
TEXT_WIDTH = 64
LATENT_SCALE = 0.18215  # SD1's: latents have standard deviation 1 after it
PICTURE = 256  # pixels, the size that the checkpoint draws best

# A narrow top level without attention makes 256 px nearly as cheap as 128 px. Eight groups:
# with as many groups as channels GroupNorm would erase the time embedding.
UNET: Mapping[str, Any] = MappingProxyType(
    {
        "sample_size": PICTURE // 8,
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": (32, 64, 128, 128),
        "down_block_types": (
            "DownBlock2D",
            "CrossAttnDownBlock2D",
            "CrossAttnDownBlock2D",
            "DownBlock2D",
        ),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "layers_per_block": 1,
        "cross_attention_dim": TEXT_WIDTH,
        "attention_head_dim": 8,  # the number of heads, by SD1's misnomer
        "norm_num_groups": 8,
        "norm_eps": 1e-5,
        "act_fn": "silu",
        "flip_sin_to_cos": True,
        "freq_shift": 0,
        "center_input_sample": False,
        "downsample_padding": 1,
        "mid_block_scale_factor": 1,
    }
)

VAE: Mapping[str, Any] = MappingProxyType(
    {
        "sample_size": PICTURE,
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": 4,
        "block_out_channels": (16, 32, 64, 96),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 1,
        "norm_num_groups": 2,
        "act_fn": "silu",
        "scaling_factor": LATENT_SCALE,
    }
)

TEXT: Mapping[str, Any] = MappingProxyType(
    {
        "vocab_size": VOCABULARY,
        "hidden_size": TEXT_WIDTH,
        "intermediate_size": 4 * TEXT_WIDTH,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": TOKENS,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
        "projection_dim": TEXT_WIDTH,
        # SD1's text encoder carries these; transformers then pools at the highest token id.
        "bos_token_id": 0,
        "eos_token_id": 2,
        "pad_token_id": 1,
    }
)
