"""Draw with the checkpoint as plainly as possible: Euler steps, classifier-free guidance.

The service's own samplers live in ``generator.sampling``; training asks for pictures before there
is a file that the service could load, and for many at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from generator.models.checkpoint import Checkpoint
from generator.models.deep_shrink import shrink_features
from generator.models.index import trained_size
from generator.prompt.tokenizer import END, START, Tokenizer
from training.configs import LATENT_SCALE, TOKENS
from training.diffusion import remaining_signal


@dataclass(frozen=True)
class SampleRequest:
    """What is drawn: one picture for each prompt, picture ``k`` from ``seeds[k]``."""

    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    steps: int = 20
    guidance: float = 7.0  # what the service draws with when nobody says otherwise
    size: int = 256  # pixels, a multiple of 64


@torch.no_grad()
def draw_with(
    checkpoint: Checkpoint, tokenizer: Tokenizer, wish: SampleRequest
) -> list[Image.Image]:
    """Pictures (size x size, RGB), one for each prompt of the wish, in one batch."""
    count = len(wish.prompts)
    rows = token_rows([*wish.prompts, *[""] * count], tokenizer)
    context = checkpoint.text_encoders[0].model(input_ids=rows).last_hidden_state  # (2B, 77, width)
    sigmas, times = _descent(wish.steps)
    latents = _noise(wish) * sigmas[0]  # (B, 4, h, w)
    learned = trained_size(checkpoint.file.metadata)
    for step, time in enumerate(times):
        scaled = latents / (sigmas[step] ** 2 + 1) ** 0.5
        with shrink_features(checkpoint.unet, scaled, time, learned):
            both = checkpoint.unet(torch.cat([scaled, scaled]), time, context).sample
        conditioned, unconditioned = both.chunk(2)
        noise = unconditioned + wish.guidance * (conditioned - unconditioned)
        latents = latents + (sigmas[step + 1] - sigmas[step]) * noise
    drawn = checkpoint.vae.decode(latents / LATENT_SCALE).sample  # (B, 3, size, size)
    pixels = ((drawn.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    return [Image.fromarray(np.ascontiguousarray(picture)) for picture in pixels]


def token_rows(prompts: Sequence[str], tokenizer: Tokenizer) -> Tensor:
    """Prompts as CLIP's token ids (B, 77): start, words, end, padded with end."""
    rows = torch.full((len(prompts), TOKENS), END)
    rows[:, 0] = START
    for index, prompt in enumerate(prompts):
        ids = tokenizer.encode(prompt)[: TOKENS - 2]
        rows[index, 1 : 1 + len(ids)] = torch.tensor(ids, dtype=torch.long)
    return rows


def _noise(wish: SampleRequest) -> Tensor:
    shape = (4, wish.size // 8, wish.size // 8)
    return torch.stack(
        [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in wish.seeds]
    )


def _descent(steps: int) -> tuple[Tensor, Tensor]:
    """Noise levels (steps + 1,), the last 0, and the network's times (steps,) of 0..999."""
    signal = remaining_signal()
    every = ((1 - signal) / signal).sqrt()  # (1000,)
    times = torch.linspace(999, 0, steps)
    low, high = times.floor().long(), times.ceil().long()
    share = times - low
    sigmas = (every[low].log() * (1 - share) + every[high].log() * share).exp()
    return torch.cat([sigmas, torch.zeros(1)]), times
