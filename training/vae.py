"""The autoencoder: pictures (B, 3, H, W) in -1..1 to latents (B, 4, H/8, W/8) and back."""

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from training.configs import LATENT_SCALE, VAE
from training.hogwild import Loss, TrainingTask
from training.networks import AutoencoderKL
from training.painter import draw

CROP = 64  # pixels: an eighth of the work of a whole picture holds most of its edges
NOISE = 0.06  # of a latent's standard deviation: the decoder must bear a sampler's errors
POSTERIOR = 0.02  # standard deviation of encoded latents after scaling
_FIRST_SEED = 500_000_000  # the autoencoder's pictures; others use other ranges


def build() -> AutoencoderKL:
    """A new autoencoder that already passes block averages through, see ``start_as_averager``."""
    torch.manual_seed(0)
    model = AutoencoderKL(**VAE)
    start_as_averager(model)
    pictures = [np.asarray(draw(_FIRST_SEED - 1 - k).image) for k in range(12)]
    whiten(model, to_tensor(pictures))
    return model


def task(start: Callable[[], AutoencoderKL]) -> TrainingTask:
    """Learn to give drawings back from four numbers for each 8 x 8 block."""
    return TrainingTask("vae", start, _make_loss, show=show)


def decoder_task(start: Callable[[], AutoencoderKL]) -> TrainingTask:
    """Learn to draw better from the latents as they are: what a U-Net learned stays true."""

    def with_still_encoder() -> AutoencoderKL:
        model = start()
        for part in (model.encoder, model.quant_conv):
            part.requires_grad_(False)
        return model

    return TrainingTask("decoder", with_still_encoder, _make_loss, show=show)


# --- the start --------------------------------------------------------------------------------
#
# Small GroupNorm autoencoders stall far from the data with the usual start. This one lets the
# colours ride along the residual stream, in channels 0..2 and negated in 3..5, for
# silu(u) - silu(-u) = u, while channels of constant +-ANCHOR keep the group statistics still.

_ANCHOR = 2.0


@torch.no_grad()
def start_as_averager(model: AutoencoderKL) -> None:
    """Set the weights so that latents 0..2 are the blocks' mean colours, drawn back flat."""
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d):
            _calm(name, module)
        elif name.endswith("to_out.0"):
            module.weight.mul_(0.1)
            module.bias.zero_()
    for half in (model.encoder, model.decoder):
        _carry_in(half.conv_in)
        half.conv_norm_out.weight.fill_(1.6)
        _carry_out(half.conv_out)
    for conv in (model.quant_conv, model.post_quant_conv):
        conv.weight.copy_(torch.eye(len(conv.weight), conv.weight.shape[1])[..., None, None])
        _bias(conv).zero_()
    model.quant_conv.weight[4:] = 0
    model.quant_conv.bias[4:] = -6


def _carried_channels(width: int) -> tuple[list[int], list[int]]:
    """The channels that hold the colours, and those that hold them negated."""
    middle = width // 2
    return [0, 1, middle], [2, 3, middle + 1]


def _bias(conv: nn.Conv2d) -> Tensor:
    assert conv.bias is not None  # every convolution of AutoencoderKL has one
    return conv.bias


def _calm(name: str, conv: nn.Conv2d) -> None:
    carried = [channel for side in _carried_channels(conv.out_channels) for channel in side]
    if name.endswith("conv2"):
        conv.weight.mul_(0.1)
        _bias(conv).zero_()
    elif "downsamplers" in name or "upsamplers" in name:
        conv.weight.mul_(0.2)
        _bias(conv).zero_()
        conv.weight[carried] = 0
        corner = slice(0, 2) if "downsamplers" in name else slice(1, 2)
        share = 0.25 if "downsamplers" in name else 1.0
        for channel in range(conv.out_channels):
            conv.weight[channel, channel, corner, corner] += share
    elif "shortcut" in name:
        sources = [channel for side in _carried_channels(conv.in_channels) for channel in side]
        conv.weight.mul_(0.4)
        conv.weight[carried] = 0
        conv.weight[carried, sources] = 1
        _anchor(conv)


def _anchor(conv: nn.Conv2d) -> None:
    """Two constant channels at each group's end: few, for every step moves them all at once."""
    group = conv.out_channels // VAE["norm_num_groups"]
    _bias(conv).zero_()
    for end in range(group, conv.out_channels + 1, group):
        height = _ANCHOR * (group / 8) ** 0.5
        _bias(conv)[end - 2], _bias(conv)[end - 1] = height, -height


def _carry_in(conv: nn.Conv2d) -> None:
    plus, minus = _carried_channels(conv.out_channels)
    conv.weight[plus + minus] = 0
    for colour in range(3):
        conv.weight[plus[colour], colour, 1, 1] = 1
        conv.weight[minus[colour], colour, 1, 1] = -1
    _anchor(conv)


def _carry_out(conv: nn.Conv2d) -> None:
    plus, minus = _carried_channels(conv.in_channels)
    _bias(conv).zero_()
    conv.weight[:3] = 0
    for colour in range(3):
        conv.weight[colour, plus[colour], 1, 1] = 0.6
        conv.weight[colour, minus[colour], 1, 1] = -0.6


# --- the lesson -------------------------------------------------------------------------------


def to_tensor(pictures: list[np.ndarray]) -> Tensor:
    """Pictures (H, W, 3) of 0..255 as one batch (B, 3, H, W) in -1..1."""
    stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    return stacked.float() / 127.5 - 1


def _crops(rng: Random, first_seed: int, batch: int) -> Iterator[Tensor]:
    """Endless batches (batch, 3, CROP, CROP): of each picture four crops, the busier ones."""
    seed = first_seed
    while True:
        crops: list[np.ndarray] = []
        while len(crops) < batch:
            picture = np.asarray(draw(seed).image)
            seed += 1
            crops += [_busy_crop(picture, rng) for _ in range(4)]
        yield to_tensor(crops)


def _busy_crop(picture: np.ndarray, rng: Random) -> np.ndarray:
    limit = picture.shape[0] - CROP
    corners = [(rng.randint(0, limit), rng.randint(0, limit)) for _ in range(3)]
    crops = [picture[y : y + CROP, x : x + CROP] for x, y in corners]
    return max(crops, key=lambda crop: float(crop[::4, ::4].std()) + 25 * rng.random())


def _make_loss(worker: int, device: torch.device) -> Loss:
    batch = 8 if device.type == "cpu" else 128
    rng = Random(worker)
    supply: list[Iterator[Tensor]] = []

    def loss(model: nn.Module, step: int) -> tuple[Tensor, dict[str, float], int]:
        if not supply:
            supply.append(_crops(rng, _FIRST_SEED + worker * 50_000_000 + step * batch, batch))
        pictures = next(supply[0]).to(device).contiguous(memory_format=torch.channels_last)
        total, figures = autoencoder_loss(model, pictures)
        return total, figures, batch

    return loss


def autoencoder_loss(model: AutoencoderKL, pictures: Tensor) -> tuple[Tensor, dict[str, float]]:
    """The loss on pictures (B, 3, H, W): colours, edges, and latents that are white.

    Four uncorrelated latents of standard deviation 1 keep every channel in use.
    """
    encoded = model.encode(pictures.to(torch.bfloat16)).latent_dist.mean  # (B, 4, H/8, W/8)
    latents = encoded * LATENT_SCALE
    noisy = latents + NOISE * torch.randn_like(latents)
    drawn = model.decode(noisy / LATENT_SCALE).sample.float()
    error = drawn - pictures
    flat, square = error.abs().mean(), error.square().mean()
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    white = _whiteness(latents.float())
    loss = flat + 0.5 * edges + 2 * square + 0.005 * white
    figures = {"l1": flat, "psnr": -10 * (square / 4).log10(), "white": white}
    return loss, {key: float(value.detach()) for key, value in figures.items()}


def _whiteness(latents: Tensor) -> Tensor:
    """How far the latents' 4 x 4 covariance and mean are from the identity and zero."""
    rows = latents.transpose(0, 1).flatten(1)  # (4, B*h*w)
    centred = rows - rows.mean(1, keepdim=True)
    covariance = centred @ centred.T / rows.shape[1]
    eye = torch.eye(4, device=rows.device)
    return (covariance - eye).square().sum() + 0.1 * rows.mean(1).square().sum()


# --- the end ----------------------------------------------------------------------------------


@torch.no_grad()
def whiten(model: AutoencoderKL, pictures: Tensor) -> None:
    """Fold into the 1 x 1 convolutions what makes latents white at the standard scaling factor.

    Pictures (B, 3, H, W) give the statistics. What decodes to what does not change.
    """
    latents = model.encode(pictures).latent_dist.mean  # (B, 4, h, w)
    rows = latents.transpose(0, 1).flatten(1).double()
    mean = rows.mean(1)
    values, vectors = torch.linalg.eigh((rows - mean[:, None]).cov())
    turn = vectors @ (values.rsqrt() / LATENT_SCALE).diag() @ vectors.T  # (4, 4)
    back = torch.linalg.inv(turn)
    enter, leave = model.quant_conv, model.post_quant_conv
    enter.bias[:4] = (turn @ (enter.bias[:4].double() - mean)).float()
    enter.weight[:4] = torch.einsum("ij,jkhw->ikhw", turn.float(), enter.weight[:4])
    enter.weight[4:] = 0
    enter.bias[4:] = 2 * float(np.log(POSTERIOR / LATENT_SCALE))
    leave.bias += leave.weight[:, :, 0, 0] @ mean.float()
    leave.weight.copy_(torch.einsum("ijhw,jk->ikhw", leave.weight, back.float()))


@torch.no_grad()
def encode(model: AutoencoderKL, pictures: Tensor) -> Tensor:
    """Scaled latents (B, 4, H/8, W/8), standard deviation about 1."""
    return model.encode(pictures).latent_dist.mean * LATENT_SCALE


@torch.no_grad()
def psnr(model: AutoencoderKL, pictures: Tensor) -> float:
    """Mean peak signal-to-noise ratio (dB) of pictures (B, 3, H, W) through the autoencoder."""
    drawn = model.decode(encode(model, pictures) / LATENT_SCALE).sample.clamp(-1, 1)
    errors = ((drawn - pictures) / 2).square().flatten(1).mean(1)
    return float((-10 * errors.log10()).mean())


@torch.no_grad()
def show(model: nn.Module, path: Path) -> None:
    """Six unseen drawings, and below each what the autoencoder makes of it, as a picture."""
    assert isinstance(model, AutoencoderKL)
    pictures = unseen_pictures(6)
    drawn = model.decode(encode(model, pictures) / LATENT_SCALE).sample.clamp(-1, 1)
    rows = [torch.cat(list(row), 2) for row in (pictures, drawn)]  # each (3, 256, 6 * 256)
    pixels = ((torch.cat(rows, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    Image.fromarray(np.ascontiguousarray(pixels)).save(path)


def unseen_pictures(count: int = 24) -> Tensor:
    """Pictures (count, 3, 256, 256) that no training draws."""
    return to_tensor([np.asarray(draw(2_000_000_000 + k).image) for k in range(count)])
