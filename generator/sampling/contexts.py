"""Conditioning of the rows of one denoiser call, padded to equal lengths.

Contract sections 2.4, 2.5 and 2.7.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from generator.prompt.conditioning import Conditioning, ScheduledContext


@dataclass(frozen=True, slots=True)
class Contexts:
    """The prompts of one call: ``owners`` names the picture of each positive row."""

    positive: Tensor  # (P, L, width)
    negative: Tensor  # (B, M, width)
    owners: tuple[int, ...]
    weights: tuple[float, ...]  # of each positive row
    positive_vectors: Tensor | None = None  # (P, numbers), where the network reads such
    negative_vectors: Tensor | None = None  # (B, numbers)

    @property
    def has_equal_lengths(self) -> bool:
        """Whether positives and negatives fit into one call."""
        return self.positive.shape[1] == self.negative.shape[1]

    def repeat_negatives(self) -> "Contexts":
        """Negatives that repeat their last vector, or are cut, to the positives' length."""
        length = self.positive.shape[1]
        missing = max(length - self.negative.shape[1], 0)
        tail = self.negative[:, -1:].repeat(1, missing, 1)
        return replace(self, negative=torch.cat([self.negative, tail], 1)[:, :length])

    def fill_with_empty(self, empty: Tensor) -> "Contexts":
        """The shorter side filled up with empty prompts, (77, width) each."""
        short = self.positive.shape[1] - self.negative.shape[1]
        return replace(
            self,
            positive=_fill(self.positive, -short, empty),
            negative=_fill(self.negative, short, empty),
        )


def contexts_at(conditioning: Conditioning, call: int, device: torch.device) -> Contexts:
    """What holds at denoiser call ``call``, the first being 0."""
    weighted_prompts = [
        (i, strand) for i, row in enumerate(conditioning.positive) for strand in row
    ]
    positive = [_stage_at(strand.stages, call) for _, strand in weighted_prompts]
    negative = [_stage_at(stages, call) for stages in conditioning.negative]
    return Contexts(
        _stack([stage.context for stage in positive]).to(device),
        _stack([stage.context for stage in negative]).to(device),
        tuple(i for i, _ in weighted_prompts),
        tuple(strand.weight for _, strand in weighted_prompts),
        _stack_vectors(positive, device),
        _stack_vectors(negative, device),
    )


def _stage_at(stages: Sequence[ScheduledContext], call: int) -> ScheduledContext:
    """The first stage whose end is not before ``call``."""
    return next((stage for stage in stages if call <= stage.end), stages[-1])


def _stack_vectors(stages: Sequence[ScheduledContext], device: torch.device) -> Tensor | None:
    """(n, numbers); None where the stages have none."""
    vectors = [stage.vector for stage in stages if stage.vector is not None]
    return torch.stack(vectors).to(device) if vectors else None


def _stack(contexts: Sequence[Tensor]) -> Tensor:
    """(n, L, width); shorter ones repeat their last vector."""
    longest = max(len(c) for c in contexts)
    return torch.stack([torch.cat([c, c[-1:].repeat(longest - len(c), 1)]) for c in contexts])


def _fill(context: Tensor, missing: int, empty: Tensor) -> Tensor:
    """``context`` (n, L, width) made ``missing`` tokens longer."""
    if missing <= 0:
        return context
    tail = empty.to(context).repeat(-(-missing // len(empty)), 1)[:missing]
    return torch.cat([context, tail.expand(len(context), -1, -1)], dim=1)
