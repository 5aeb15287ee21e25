"""Latents to pictures: decoded by the VAE, or approximated for previews."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from generator.errors import NotANumber
from generator.models.families.family import LatentFormat
from generator.models.memory_relief import MemoryRelief
from generator.models.offload import device_of, dtype_of
from generator.pictures.tiled_vae import join_tiles, tile_sides

if TYPE_CHECKING:
    from diffusers import AutoencoderKL

LATENT_FACTOR = 8  # pixels a side of one latent cell
TILED = "Memory ran out: the VAE worked in tiles, which changes pictures a little."


def decode_latents(
    vae: "AutoencoderKL",
    latents: Tensor,
    check_nan: bool = True,
    relief: MemoryRelief | None = None,
) -> Iterator[Image.Image]:
    """Each row of ``latents`` (B,4,h,w) as an RGB picture of 8h x 8w, decoded one at a time.

    One at a time bounds the memory and keeps a picture the same whatever its batch. Channels
    are truncated to 8 bits, not rounded (contract section 3.8). A VAE that overflows in half
    precision is turned to fp32 for good. Where memory runs out, tiles are decoded, and ``relief``
    notes it. Raises :class:`NotANumber`.
    """
    for row in latents:
        yield to_image(_decode_row(vae, row[None], check_nan, relief)[0])


def to_image(pixels: Tensor) -> Image.Image:
    """``pixels`` (3,H,W) in -1..1 as an 8-bit RGB picture, truncated."""
    bytes_ = ((pixels.float() + 1) / 2).clamp(0, 1).mul(255).to(torch.uint8)  # (3,H,W)
    return Image.fromarray(bytes_.permute(1, 2, 0).cpu().numpy())


def encode_pictures(
    vae: "AutoencoderKL",
    images: Sequence[Image.Image],
    noise: Sequence[torch.Generator] | None = None,
    relief: MemoryRelief | None = None,
) -> Tensor:
    """The latents (B,4,h,w) of RGB pictures of one size, fp32 on the VAE's device.

    A VAE answers with a distribution. Without ``noise`` its middle is taken; with it, a draw, each
    picture's from its own generator.
    """
    return encode_pixels(vae, torch.cat([to_pixels(image) for image in images]), noise, relief)


def to_pixels(image: Image.Image) -> Tensor:
    """An RGB picture as (1,3,H,W) in -1..1, on the CPU."""
    rows = torch.from_numpy(np.array(image.convert("RGB"), np.float32))  # (H,W,3)
    return (rows.permute(2, 0, 1)[None] / 255) * 2 - 1


def encode_pixels(
    vae: "AutoencoderKL",
    pixels: Tensor,
    noise: Sequence[torch.Generator] | None = None,
    relief: MemoryRelief | None = None,
) -> Tensor:
    """The latents (B,4,h,w) of ``pixels`` (B,3,H,W) in -1..1, fp32 on the VAE's device.

    Where memory runs out, tiles are encoded, and ``relief`` notes it.
    """
    draws: Sequence[torch.Generator | None] = noise or [None] * len(pixels)
    rows = zip(pixels, draws, strict=True)
    return torch.cat([_encode_row(vae, row[None], draw, relief) for row, draw in rows])


def _encode_row(
    vae: "AutoencoderKL",
    pixels: Tensor,
    noise: torch.Generator | None,
    relief: MemoryRelief | None,
) -> Tensor:
    latent, spread = _vae_encode(vae, pixels, relief or MemoryRelief()).chunk(2, dim=1)
    if noise is not None:
        drawn = torch.randn(latent.shape, generator=noise)  # on the CPU: the same everywhere
        latent = latent + spread * drawn.to(latent.device)
    return scale_latent(vae, latent)  # (1,4,h,w)


def scale_latent(vae: "AutoencoderKL", latent: Tensor) -> Tensor:
    """The VAE's own latents (B,C,h,w) as the U-Net reads them."""
    return _scale(latent, vae.config.scaling_factor, *_channel_statistics(vae))


def unscale_latent(vae: "AutoencoderKL", scaled: Tensor) -> Tensor:
    """The way back of :func:`scale_latent`."""
    return _unscale(scaled, vae.config.scaling_factor, *_channel_statistics(vae))


def convert_latent(scaled: Tensor, before: LatentFormat, after: LatentFormat) -> Tensor:
    """``scaled`` (B,C,h,w) for another U-Net that reads the same VAE's latents by channel.

    Formats without statistics of channels are left alone, whatever their scales: as in
    AUTOMATIC1111 a second pass takes the latent of the first as it is.
    """
    if (before.mean, before.deviation) == (after.mean, after.deviation):
        return scaled
    latent = _unscale(scaled, before.scale, before.mean, before.deviation)
    return _scale(latent, after.scale, after.mean, after.deviation)


def _channel_statistics(vae: "AutoencoderKL") -> tuple[Sequence[float], Sequence[float]]:
    """Mean and deviation of each channel, where the VAE's configuration tells them."""
    mean, deviation = (getattr(vae.config, key, None) for key in ("latents_mean", "latents_std"))
    return mean or (), deviation or ()


def _scale(
    latent: Tensor, scale: float, mean: Sequence[float], deviation: Sequence[float]
) -> Tensor:
    if mean and deviation:
        latent = (latent - _by_channel(mean, latent)) / _by_channel(deviation, latent)
    return latent * scale


def _unscale(
    scaled: Tensor, scale: float, mean: Sequence[float], deviation: Sequence[float]
) -> Tensor:
    latent = scaled / scale
    if mean and deviation:
        latent = latent * _by_channel(deviation, latent) + _by_channel(mean, latent)
    return latent


def _by_channel(numbers: Sequence[float], like: Tensor) -> Tensor:
    return like.new_tensor(numbers).view(1, -1, 1, 1)


def _decode_row(
    vae: "AutoencoderKL",
    row: Tensor,
    check_nan: bool = True,
    relief: MemoryRelief | None = None,
) -> Tensor:
    relief = relief or MemoryRelief()
    pixels = _vae_decode(vae, row, relief)  # (1,3,8h,8w)
    if pixels.isnan().any() and dtype_of(vae) != torch.float32:
        pixels = _vae_decode(vae.to(torch.float32), row, relief)
    if check_nan and pixels.isnan().any():
        raise NotANumber(
            "A tensor with NaNs was produced in VAE. "
            "Use --disable-nan-check commandline argument to disable this check."
        )
    return pixels


def _vae_decode(vae: "AutoencoderKL", row: Tensor, relief: MemoryRelief) -> Tensor:
    scaled = unscale_latent(vae, row.to(device_of(vae), dtype_of(vae)))
    height, width = row.shape[-2:]

    def decode(rows: slice, columns: slice) -> Tensor:
        pixels: Tensor = vae.decode(scaled[..., rows, columns]).sample
        return pixels

    return relief.run(
        partial(decode, slice(None), slice(None)),
        *(
            (TILED, partial(join_tiles, decode, (height, width), side, LATENT_FACTOR))
            for side in tile_sides(height, width)
        ),
    )


def _vae_encode(vae: "AutoencoderKL", pixels: Tensor, relief: MemoryRelief) -> Tensor:
    """Mean and standard deviation of what ``pixels`` (1,3,H,W) may be, (1,8,h,w) in fp32."""
    placed = pixels.to(device_of(vae), dtype_of(vae))
    size = (pixels.shape[-2] // LATENT_FACTOR, pixels.shape[-1] // LATENT_FACTOR)

    def encode(rows: slice, columns: slice) -> Tensor:
        distribution = vae.encode(placed[..., rows, columns]).latent_dist
        return torch.cat([distribution.mean, distribution.std], dim=1).float()

    def encode_cells(rows: slice, columns: slice) -> Tensor:
        return encode(
            *(slice(s.start * LATENT_FACTOR, s.stop * LATENT_FACTOR) for s in (rows, columns))
        )

    return relief.run(
        partial(encode, slice(None), slice(None)),
        *((TILED, partial(join_tiles, encode_cells, size, side, 1)) for side in tile_sides(*size)),
    )


@dataclass(frozen=True, slots=True)
class Approximation:
    """An affine map from latent to colour, fitted to one VAE: a preview for almost nothing."""

    weight: Tensor  # (4,3) fp32 on the CPU
    bias: Tensor  # (3,)

    def to_picture(self, latent: Tensor) -> Image.Image:
        """``latent`` (4,h,w) as a picture of w x h pixels, an eighth of the size."""
        colours = torch.einsum("chw,cr->rhw", latent.float().cpu(), self.weight)  # (3,h,w)
        return to_image(colours + self.bias[:, None, None])


def fit_approximation(vae: "AutoencoderKL") -> Approximation:
    """Fit an :class:`Approximation` by least squares to what ``vae`` draws of smooth noise.

    Fitted rather than tabled, since a VAE of one's own has colours of its own. Costs one decode
    of 128x128 pixels.
    """
    latent = _smooth_noise(16)  # (1,4,16,16)
    pixels = _decode_row(vae, latent).float().cpu()  # (1,3,128,128)
    colours = functional.avg_pool2d(pixels.clamp(-1, 1), LATENT_FACTOR).flatten(2)[0].T  # (256,3)
    cells = latent.flatten(2)[0].T  # (256,4)
    ones = torch.ones(len(cells), 1)
    fitted = torch.linalg.lstsq(torch.cat([cells, ones], dim=1), colours).solution  # (5,3)
    return Approximation(weight=fitted[:4], bias=fitted[4])


def _smooth_noise(side: int) -> Tensor:
    # Real latents are blobs with some grain; pure noise decodes to grey mud that fits nothing.
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(1, 4, side // 4, side // 4, generator=generator)
    grain = torch.randn(1, 4, side, side, generator=generator)
    return functional.interpolate(coarse, size=side, mode="bicubic") + 0.2 * grain
