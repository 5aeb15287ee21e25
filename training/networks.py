"""The network classes, imported once torchvision is known to be importable."""

from generator.models import torchvision_ops

torchvision_ops.prepare()

from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel  # noqa: E402
from diffusers.models.attention_processor import AttnProcessor  # noqa: E402
from transformers import CLIPTextConfig, CLIPTextModel  # noqa: E402

__all__ = [
    "AttnProcessor",
    "AutoencoderKL",
    "CLIPTextConfig",
    "CLIPTextModel",
    "ControlNetModel",
    "UNet2DConditionModel",
]
