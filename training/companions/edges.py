"""A small ControlNet for edges (Zhang et al. 2023).

It has the checkpoint's levels without their attention to text, and its weights lie in the file as
8-bit floats; the service reads them in its own precision.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from training.configs import TEXT_WIDTH, UNET
from training.networks import ControlNetModel

_HINTS = (8, 8, 16, 16)  # channels of the four sizes that bring the map down to the latent's
_EIGHT = torch.float8_e4m3fn


def build(unet: nn.Module) -> ControlNetModel:
    """A new ControlNet: what it shares with the U-Net starts as there, what it adds at zero."""
    torch.manual_seed(0)
    network = ControlNetModel(**_config(unet))
    own, theirs = network.state_dict(), unet.state_dict()
    shared = {
        name: theirs[name].float()
        for name, tensor in own.items()
        if name in theirs and theirs[name].shape == tensor.shape
    }
    network.load_state_dict(own | shared)
    return network


def _config(unet: Any) -> dict[str, Any]:
    return {
        "in_channels": 4,
        "conditioning_channels": 3,
        "block_out_channels": UNET["block_out_channels"],
        "layers_per_block": UNET["layers_per_block"],
        "down_block_types": ("DownBlock2D",) * len(UNET["block_out_channels"]),
        "cross_attention_dim": TEXT_WIDTH,
        "attention_head_dim": unet.config.attention_head_dim,
        "norm_num_groups": UNET["norm_num_groups"],
        "conditioning_embedding_out_channels": _HINTS,
    }


def residuals(
    network: nn.Module, noisy: Tensor, times: Tensor, context: Tensor, maps: Tensor
) -> dict[str, Any]:
    """What the ControlNet adds, as the U-Net's keyword arguments. ``maps`` (B, 3, 8h, 8w)."""
    down, middle = network(noisy, times, context, maps, return_dict=False)
    return {"down_block_additional_residuals": down, "mid_block_additional_residual": middle}


def write(network: ControlNetModel, path: Path, title: str, extra_metadata: dict[str, str]) -> None:
    """Write in diffusers' layout, matrices and convolutions in 8 bits, the rest in fp16."""
    tensors = {
        name: tensor.detach().to(_EIGHT if tensor.ndim > 1 else torch.float16).contiguous()
        for name, tensor in network.state_dict().items()
    }
    unet = {key: network.config[key] for key in ("attention_head_dim", "norm_num_groups")}
    metadata = {
        "format": "pt",
        "easel.unet_config": json.dumps(unet),
        "modelspec.title": title,
        "modelspec.architecture": "stable-diffusion-v1/controlnet",
        "modelspec.license": "CC0-1.0",
        **extra_metadata,
    }
    save_file(tensors, path, metadata)
    path.chmod(0o644)
