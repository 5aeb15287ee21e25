"""Pictures made by code that the classifier is sure about; nothing indecent is in them."""

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch.nn import functional

from plugins.nsfw_censor.network import SIDE, Network, forward

STEPS, RATE = 60, 0.08


def abstract_pattern(network: Network) -> Image.Image:
    """Colour fields found by walking up the network's own gradient: harmless, and flagged."""
    start = torch.randn(1, 3, 28, 28, generator=torch.Generator().manual_seed(0)) * 0.3
    field = start.requires_grad_()
    optimiser = torch.optim.Adam([field], lr=RATE)
    for _ in range(STEPS):
        found = forward(network, _enlarge(field))[0]  # (5,)
        optimiser.zero_grad()
        (-torch.log(found[1] + found[3])).backward()
        optimiser.step()
    values = _enlarge(field)[0].permute(1, 2, 0).detach().numpy()  # (224, 224, 3)
    return Image.fromarray((values * 255).round().astype(np.uint8))


def _enlarge(field: torch.Tensor) -> torch.Tensor:
    large = functional.interpolate(field, size=(SIDE, SIDE), mode="bicubic")
    return torch.sigmoid(large)  # (1, 3, 224, 224)


def landscape() -> Image.Image:
    """A hill under a sky."""
    picture = Image.new("RGB", (512, 384), (150, 200, 240))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((-100, 230, 620, 700), fill=(60, 140, 60))
    pen.ellipse((400, 40, 460, 100), fill=(250, 220, 90))
    return picture
