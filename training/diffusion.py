"""Trains text encoder and U-Net by noise prediction on captioned latents."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from generator.prompt.tokenizer import Tokenizer
from training import vocabulary
from training.configs import TEXT, UNET
from training.hogwild import Loss, State, TrainingTask
from training.latents import Store
from training.networks import AttnProcessor, CLIPTextConfig, CLIPTextModel, UNet2DConditionModel

STEPS = 1000
UNCAPTIONED = 0.1  # share of samples without caption, for classifier-free guidance
MUDDLED = 0.15  # share of samples with unknown words put in
OFFSET = 0.1  # deviation of the noise's own mean: lets the net move a picture's brightness


class Painter(nn.Module):
    """The two networks that training moves, with the compact embedding of ``words``."""

    def __init__(self, known: Sequence[int], heads: int = UNET["attention_head_dim"]) -> None:
        super().__init__()
        config = CLIPTextConfig(**{**TEXT, "vocab_size": len(known) + 1})
        # bfloat16 attention kernels for CPU are slow backwards (measured 10 ms against 1):
        # plain matrix products it is, for both networks.
        self.text = CLIPTextModel._from_config(config, attn_implementation="eager")
        self.unet = UNet2DConditionModel(**{**UNET, "attention_head_dim": heads})
        self.unet.set_attn_processor(AttnProcessor())
        self.known: Tensor
        self.register_buffer("known", torch.tensor(known))  # (rows - 1,)
        self.heads: Tensor
        self.register_buffer("heads", torch.tensor(heads))  # no weight tells it

    def context(self, rows: Tensor) -> Tensor:
        """Compact rows (B, 77) as the U-Net's context (B, 77, width)."""
        return self.text(input_ids=rows).last_hidden_state

    def forward(self, noisy: Tensor, times: Tensor, rows: Tensor) -> Tensor:
        """The noise (B, 4, h, w) in ``noisy`` at ``times`` (B,) of 0..999."""
        return self.unet(noisy, times, self.context(rows), return_dict=False)[0]


def build(known: Sequence[int], heads: int = UNET["attention_head_dim"]) -> Painter:
    """A new painter. Words start apart from each other, unknown ones at zero and stay there."""
    torch.manual_seed(0)
    painter = Painter(known, heads)
    embeddings = text_body(painter.text).embeddings
    with torch.no_grad():
        embeddings.token_embedding.weight.normal_(0, 0.5)
        embeddings.token_embedding.weight[vocabulary.UNKNOWN] = 0
        embeddings.position_embedding.weight.normal_(0, 0.1)
    embeddings.token_embedding.padding_idx = vocabulary.UNKNOWN
    return painter


def fit(painter: nn.Module, state: State) -> State:
    """An earlier state, its words moved to the rows that they have in ``painter``.

    Words that it did not know keep the painter's own rows.
    """
    fresh = painter.state_dict()
    table = next(name for name in fresh if name.endswith("token_embedding.weight"))
    rows = {int(token): row for row, token in enumerate(state["known"], start=1)}
    fitted = fresh[table].clone()
    for row, token in enumerate(fresh["known"], start=1):
        if int(token) in rows:
            fitted[row] = state[table][rows[int(token)]]
    return {**state, table: fitted, "known": fresh["known"], "heads": fresh["heads"]}


def text_body(text: CLIPTextModel) -> Any:
    """The module that holds ``embeddings``: transformers moved it between versions."""
    return getattr(text, "text_model", text)


@dataclass(frozen=True)
class TrainingData:
    """Where the pictures come from and how many of 32 x 32 latents make a step.

    ``load`` gives a store for each size. It is asked again after each round, so that a store that
    still fills is used as it grows.
    """

    load: Callable[[], Sequence[Store]]
    tokenizer: Tokenizer
    known: tuple[int, ...]
    batch: int

    def batch_of(self, side: int) -> int:
        """The batch for latents of ``side``: as much work as 32 x 32, at most twice as many."""
        return max(2, min(2 * self.batch, self.batch * 32**2 // side**2))


def task(
    start: Callable[[], Painter],
    lessons: TrainingData,
    show: Callable[[nn.Module, Path], None] | None = None,
) -> TrainingTask:
    """Learn from the stores' latents and captions, from the networks that ``start`` gives."""
    return TrainingTask(
        "painter",
        start,
        lambda worker, device: _make_loss(lessons, worker, device),
        fit,
        show,
    )


def remaining_signal() -> Tensor:
    """SD1's cumulative products of 1 - beta (1000,): betas linear in their square roots."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, STEPS, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, 0).float()


def _make_loss(lessons: TrainingData, worker: int, device: torch.device) -> Loss:
    signal = remaining_signal().to(device)
    rng = Random(worker + torch.initial_seed())
    supply = _batches(lessons, rng)

    def loss(model: nn.Module, step: int) -> tuple[Tensor, dict[str, float], int]:
        clean, captions = next(supply)
        total, figures = diffusion_loss(model, clean.to(device), captions.to(device), signal)
        return total, figures, len(clean)

    return loss


def _batches(lessons: TrainingData, rng: Random) -> Iterator[tuple[Tensor, Tensor]]:
    """Endless batches of latents (B, 4, h, w) and captions (B, 77), each picture once a round."""
    while True:
        stores = lessons.load()
        rows = [
            vocabulary.compact_rows([*store.captions, ""], lessons.tokenizer, lessons.known)
            for store in stores
        ]
        for number, picked in _round(stores, lessons, rng):
            latents = torch.from_numpy(stores[number].latents[picked].astype(np.float32))
            yield (
                latents,
                torch.stack([_muddle_caption(rows[number], index, rng) for index in picked]),
            )


def _round(
    stores: Sequence[Store], lessons: TrainingData, rng: Random
) -> list[tuple[int, list[int]]]:
    """Which store and which of its pictures make each batch of a round, in any order."""
    batches = []
    for number, store in enumerate(stores):
        order = rng.sample(range(len(store.captions)), len(store.captions))
        batch = lessons.batch_of(store.latents.shape[-1])
        batches += [
            (number, order[start : start + batch])
            for start in range(0, len(order) - batch + 1, batch)
        ]
    rng.shuffle(batches)
    return batches


def _muddle_caption(rows: Tensor, index: int, rng: Random) -> Tensor:
    """The caption's row, or none, or with strange words in it."""
    dice = rng.random()
    if dice < UNCAPTIONED:
        return rows[-1]
    ids = rows[index]
    return vocabulary.with_unknown_words(ids, rng) if dice < UNCAPTIONED + MUDDLED else ids


def diffusion_loss(
    painter: nn.Module, clean: Tensor, rows: Tensor, signal: Tensor
) -> tuple[Tensor, dict[str, float]]:
    """The weighted loss of telling the noise from ``clean`` (B, 4, h, w), captions (B, 77).

    Weights: at most 5 of signal-to-noise (min-SNR, Hang et al. 2023), and more at the noisiest
    end, where colour and place are decided and the plain error is small.
    """
    count = len(clean)
    # Stratified: every batch covers the whole range, which halves the loss's variance.
    spread = torch.arange(count, device=clean.device) + torch.rand(count, device=clean.device)
    times = (spread / count * STEPS).long().clamp(max=STEPS - 1)  # (B,)
    offset = torch.randn(count, clean.shape[1], 1, 1, device=clean.device)
    noise = torch.randn_like(clean) + OFFSET * offset
    signal_share = signal[times][:, None, None, None]
    noisy = signal_share.sqrt() * clean + (1 - signal_share).sqrt() * noise
    noisy = noisy.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
    prediction = painter(noisy, times, rows).float()
    errors = (prediction - noise).square().mean((1, 2, 3))  # (B,)
    ratio = signal[times] / (1 - signal[times])
    weights = (5 / ratio).clamp(max=1) * (1 + (1 / ratio).clamp(max=8)) / 2
    loss = (weights * errors).mean()
    late = errors[times > 600].mean()
    return loss, {"eps": float(errors.mean().detach()), "eps_late": float(late.detach())}
