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
from generator.models.memory_relief import MemoryRelief
from generator.models.offload import device_of
from generator.pictures.latents import LATENT_FACTOR, encode_pixels, unscale_latent
from generator.sampling.predictor import GuidanceSide, Rows

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

AddChannels = Callable[[Tensor, Rows], Tensor]  # the latent's rows (n,4,h,w) -> with channels added


@dataclass(frozen=True, slots=True, eq=False)
class ConcatConditioning:
    """The picture and the mask that are concatenated to the latent."""

    size: tuple[int, int]  # of the latent, (w, h)
    pixels: Tensor | None = None  # (1 or B,3,H,W) in -1..1; None: there is no picture
    mask: Tensor | None = None  # (1,1,H,W), 1 where to repaint; None: everywhere
    mask_weight: float = 1.0  # how far the masked part is hidden, 0..1


def make_channel_adder(
    checkpoint: Checkpoint,
    vae: "AutoencoderKL",
    concat: ConcatConditioning | None,
    relief: MemoryRelief | None = None,
) -> AddChannels | None:
    """A function that adds the input channels of ``checkpoint``; None where it has 4 channels."""
    if concat is None or not (checkpoint.is_inpainting or checkpoint.is_instruct_pix2pix):
        return None
    if checkpoint.is_inpainting:
        return _append_channels(_encode_masked_picture(vae, concat, relief), blank=False)
    return _append_channels(_encode_instruction_picture(vae, concat, relief), blank=True)


def _append_channels(channels: Tensor, blank: bool) -> AddChannels:
    """``channels`` (1 or B,k,h,w) after each latent; with ``blank``, zeros for rows without."""

    def add(x: Tensor, rows: Rows) -> Tensor:
        owners = [owner % len(channels) for owner in rows.owners]
        own = channels[owners].to(x)
        if blank:
            has_picture = [0.0 if side is GuidanceSide.BLANK else 1.0 for side in rows.sides]
            own = own * own.new_tensor(has_picture)[:, None, None, None]
        return torch.cat([x, own], dim=1)

    return add


def _encode_masked_picture(
    vae: "AutoencoderKL", concat: ConcatConditioning, relief: MemoryRelief | None
) -> Tensor:
    """Mask and encoded picture without its masked part, (1 or B,5,h,w)."""
    width, height = concat.size
    pixels, mask = concat.pixels, concat.mask
    if pixels is None:
        pixels = torch.zeros(1, 3, height * LATENT_FACTOR, width * LATENT_FACTOR)  # grey
    if mask is None:
        mask = torch.ones(1, 1, *pixels.shape[-2:])
    hidden = torch.lerp(pixels, pixels * (1 - mask), concat.mask_weight)
    latent = _fit_latent(encode_pixels(vae, hidden, relief=relief), concat)
    cells = functional.interpolate(mask, size=(height, width)).to(latent)
    return torch.cat([cells.expand(len(latent), -1, -1, -1), latent], dim=1)


def _encode_instruction_picture(
    vae: "AutoencoderKL", concat: ConcatConditioning, relief: MemoryRelief | None
) -> Tensor:
    """The encoded picture, (1 or B,4,h,w), unscaled as InstructPix2Pix was trained."""
    if concat.pixels is None:
        return torch.zeros(1, 4, concat.size[1], concat.size[0], device=device_of(vae))
    scaled = _fit_latent(encode_pixels(vae, concat.pixels, relief=relief), concat)
    return unscale_latent(vae, scaled)


def _fit_latent(latent: Tensor, concat: ConcatConditioning) -> Tensor:
    width, height = concat.size
    if latent.shape[-2:] == (height, width):
        return latent
    return functional.interpolate(latent, size=(height, width), mode="bilinear")
