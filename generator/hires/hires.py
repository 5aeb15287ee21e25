"""Hires fix: from the first pass's latent to the start of the second (contract section 5.1)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from PIL import Image
from torch import Tensor

from generator.hires.hires_size import HiresSize
from generator.models.memory_relief import MemoryRelief
from generator.pictures.latents import LATENT_FACTOR, decode_latents, encode_pictures
from generator.pictures.resize import LATENT_MODES, Resample, resize_latent
from generator.request import GenerationRequest, HiresFix, Sampling
from generator.sampling.sampler_names import resolve_names

if TYPE_CHECKING:
    from diffusers import AutoencoderKL


def second_pass_sampling(request: GenerationRequest, fix: HiresFix) -> Sampling:
    """How the second pass is sampled."""
    first = request.sampling
    sampler, schedule = resolve_names(fix.sampler or first.sampler, fix.schedule or first.schedule)
    steps = fix.steps or first.steps
    return replace(first, sampler=sampler, schedule=schedule, steps=steps)


def upscale_latent(
    latent: Tensor,
    fix: HiresFix,
    to: HiresSize,
    vae: "AutoencoderKL",
    seeds: Sequence[int],
    resample: Resample,
    relief: MemoryRelief | None = None,
) -> tuple[Tensor, tuple[Image.Image, ...]]:
    """``latent`` (B,4,h,w) at the target's size, (B,4,H,W), and the larger pictures if drawn.

    The latent itself is interpolated, or the decoded picture is resampled and goes back through
    the VAE; the VAE's noise is then drawn from each picture's own seed (contract section 3.8).
    """
    mode = fix.upscaler or "Latent"
    if mode in LATENT_MODES:
        larger = resize_latent(
            latent, (to.width // LATENT_FACTOR, to.height // LATENT_FACTOR), mode
        )
        return _crop_latent(larger, to), ()
    size = (to.width, to.height)
    pictures = [resample(image, size) for image in decode_latents(vae, latent, relief=relief)]
    noise = [torch.Generator().manual_seed(seed) for seed in seeds]
    return _crop_latent(encode_pictures(vae, pictures, noise, relief).to(latent.device), to), tuple(
        pictures
    )


LATE_KEYS = ("Hires prompt", "Hires negative prompt", "Hires schedule type")


@dataclass(frozen=True, slots=True)
class HiresTexts:
    """The second pass's checkpoint and prompts where they differ from the first's, else None."""

    checkpoint: str | None  # "stem [hash]"
    prompt: str | None
    negative_prompt: str | None


def hires_notes(request: GenerationRequest, fix: HiresFix, own: HiresTexts) -> dict[str, object]:
    """The infotext's keys, in AUTOMATIC1111's order.

    Those of LATE are always among them, None where the infotext has nothing to say; the schedule's
    label is known once its pass is sampled (:func:`generator.job.infotext_notes.collect_notes`).
    """
    first = request.sampling
    resized = fix.resize_width or fix.resize_height
    notes: dict[str, object] = {
        "Denoising strength": fix.strength,
        "Hires checkpoint": own.checkpoint,
        "Hires sampler": fix.sampler if fix.sampler != first.sampler else None,
        "Hires prompt": own.prompt,
        "Hires negative prompt": own.negative_prompt,
        "Hires schedule type": None,
        "Hires upscale": None if resized else fix.scale,
        "Hires resize": f"{fix.resize_width}x{fix.resize_height}" if resized else None,
        "Hires steps": fix.steps or None,
        "Hires upscaler": fix.upscaler,
    }
    return {
        key: value for key, value in notes.items() if key in LATE_KEYS or value not in (None, "")
    }


def _crop_latent(latent: Tensor, to: HiresSize) -> Tensor:
    height, width = latent.shape[-2:]
    rows = slice(to.cut_y // 2, height - (to.cut_y + 1) // 2)
    columns = slice(to.cut_x // 2, width - (to.cut_x + 1) // 2)
    return latent[..., rows, columns]
