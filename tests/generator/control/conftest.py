"""Small networks with random weights, in the shape of Stable Diffusion 1.x."""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from generator.control.controlnets import ControlNet, ControlNetModel
from generator.models.checkpoint import UNet2DConditionModel
from generator.models.index import ModelFile
from generator.models.kinds import ModelKind

SIZES: dict[str, Any] = {
    "block_out_channels": (32, 32, 64, 64),
    "layers_per_block": 2,
    "cross_attention_dim": 16,
    "attention_head_dim": 8,
    "norm_num_groups": 32,
}

SQUARES = np.random.RandomState(0).randint(0, 256, (8, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
"""A picture (64,64,3) of 8x8 squares in any colours."""


def model_file(name: str = "lines.safetensors") -> ModelFile:
    return ModelFile(ModelKind.CONTROLNET, name, Path("/none") / name, 1, 1, 1, legacy_hash="0")


def encode_pixels(pixels: Any) -> str:
    """Base64 of a PNG of an array, or of a picture."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(np.asarray(pixels))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


@dataclass
class Vae:
    """A VAE whose latent is the mean colour of each 8x8 square, plus its brightness."""

    config: Any = None

    def __post_init__(self) -> None:
        self.config = SimpleNamespace(scaling_factor=1.0)

    def parameters(self) -> Iterator[torch.Tensor]:
        yield torch.empty(0)

    def encode(self, pixels: torch.Tensor) -> Any:
        means = torch.nn.functional.avg_pool2d(pixels, 8)  # (1,3,h,w)
        latent = torch.cat([means, means.mean(1, keepdim=True)], 1)
        found = SimpleNamespace(mean=latent, std=torch.zeros_like(latent))
        return SimpleNamespace(latent_dist=found)


@pytest.fixture(scope="session")
def unet() -> UNet2DConditionModel:
    torch.manual_seed(0)
    return UNet2DConditionModel(**SIZES).eval().requires_grad_(False)


@pytest.fixture(scope="session")
def control() -> ControlNet:
    torch.manual_seed(1)
    network = ControlNetModel(**SIZES).eval().requires_grad_(False)
    for name, weight in network.named_parameters():
        if "controlnet_down_blocks" in name or "controlnet_mid_block" in name:
            weight.data.normal_(std=0.3)  # they are made of zeros, to be trained
        if "controlnet_cond_embedding.conv_out" in name:
            weight.data.normal_(std=0.3)
    return ControlNet(model_file(), network, averages_residuals=False)
