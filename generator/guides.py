"""Extra U-Net input channels of inpainting and InstructPix2Pix checkpoints.

Inpainting checkpoints (Rombach et al. 2022) read 9 channels: latent, mask, masked picture.
InstructPix2Pix (Brooks et al. 2023) reads 8: latent, picture. Contract sections 4.5 and 5.2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from generator.models.checkpoint import Checkpoint
from generator.pictures.latents import FACTOR, encode_pixels
from generator.sampling.network import Rows, Side

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

Beside = Callable[[Tensor, Rows], Tensor]  # the latent's rows (n,4,h,w) -> with channels added


@dataclass(frozen=True, slots=True, eq=False)
class Guide:
    """The picture and the mask that are concatenated to the latent."""

    size: tuple[int, int]  # of the latent, (w, h)
    pixels: Tensor | None = None  # (1 or B,3,H,W) in -1..1; None: there is no picture
    mask: Tensor | None = None  # (1,1,H,W), 1 where to repaint; None: everywhere
    mask_weight: float = 1.0  # how far the masked part is hidden, 0..1


def guide_channels(
    checkpoint: Checkpoint, vae: "AutoencoderKL", guide: Guide | None
) -> Beside | None:
    """A function that adds the input channels of ``checkpoint``; None where it has 4 channels."""
    if guide is None or not (checkpoint.repaints or checkpoint.follows_picture):
        return None
    if checkpoint.repaints:
        return _beside(_masked(vae, guide), blank=False)
    return _beside(_followed(vae, guide), blank=True)


def _beside(channels: Tensor, blank: bool) -> Beside:
    """``channels`` (1 or B,k,h,w) after each latent; with ``blank``, zeros for rows without."""

    def add(x: Tensor, rows: Rows) -> Tensor:
        owners = [owner % len(channels) for owner in rows.owners]
        own = channels[owners].to(x)
        if blank:
            seen = [0.0 if side is Side.BLANK else 1.0 for side in rows.sides]
            own = own * own.new_tensor(seen)[:, None, None, None]
        return torch.cat([x, own], dim=1)

    return add


def _masked(vae: "AutoencoderKL", guide: Guide) -> Tensor:
    """Mask and encoded picture without its masked part, (1 or B,5,h,w)."""
    width, height = guide.size
    pixels, mask = guide.pixels, guide.mask
    if pixels is None:
        pixels = torch.zeros(1, 3, height * FACTOR, width * FACTOR)  # grey
    if mask is None:
        mask = torch.ones(1, 1, *pixels.shape[-2:])
    hidden = torch.lerp(pixels, pixels * (1 - mask), guide.mask_weight)
    latent = _fitted(encode_pixels(vae, hidden), guide)
    cells = functional.interpolate(mask, size=(height, width)).to(latent)
    return torch.cat([cells.expand(len(latent), -1, -1, -1), latent], dim=1)


def _followed(vae: "AutoencoderKL", guide: Guide) -> Tensor:
    """The encoded picture, (1 or B,4,h,w), unscaled as InstructPix2Pix was trained."""
    if guide.pixels is None:
        return torch.zeros(1, 4, guide.size[1], guide.size[0], device=vae.device)
    return _fitted(encode_pixels(vae, guide.pixels), guide) / vae.config.scaling_factor


def _fitted(latent: Tensor, guide: Guide) -> Tensor:
    width, height = guide.size
    if latent.shape[-2:] == (height, width):
        return latent
    return functional.interpolate(latent, size=(height, width), mode="bilinear")
