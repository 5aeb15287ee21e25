"""Token merging: attention over fewer tokens, the most alike ones averaged.

Bolya and Hoffman 2023, "Token Merging for Fast Stable Diffusion" (arXiv:2303.17604), with
AUTOMATIC1111's choices (golden ``o_tome``): self-attention at the finest level only, and the top
left token of each 2x2 cell is the one that others are merged into, not a random one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

CELL = 2  # tokens a side, one of which others are merged into


@dataclass(frozen=True, slots=True, eq=False)
class TokenMerge:
    """Which tokens of a batch are merged into which. Indices are (B,n,1) into N tokens."""

    stays: Tensor  # tokens left as they are
    gone: Tensor  # tokens that are merged away ...
    into: Tensor  # ... into these, counted among the receivers
    receivers: Tensor

    def merge(self, x: Tensor) -> Tensor:
        """(B,N,C) -> (B,N-r,C): what stays, then the receivers with what they took in."""
        received = _gather_tokens(x, self.receivers)
        taken = _gather_tokens(x, self.gone)
        places = self.into.expand(-1, -1, x.shape[-1])
        received = received.scatter_reduce(1, places, taken, reduce="mean")
        return torch.cat([_gather_tokens(x, self.stays), received], dim=1)

    def spread(self, x: Tensor) -> Tensor:
        """(B,N-r,C) -> (B,N,C): each token gets what the one it went into has become."""
        size, channels = len(x), x.shape[-1]
        stayed, received = x.split([self.stays.shape[1], self.receivers.shape[1]], dim=1)
        places = torch.cat([self.stays, self.receivers, self.gone], dim=1)
        values = torch.cat([stayed, received, _gather_tokens(received, self.into)], dim=1)
        result = x.new_empty(size, places.shape[1], channels)
        return result.scatter_(1, places.expand(-1, -1, channels), values)


def match_tokens(x: Tensor, height: int, width: int, ratio: float) -> TokenMerge | None:
    """Merge ``ratio`` of the tokens ``x`` (B,height*width,C), those most like a receiver."""
    count = int(height * width * ratio)
    index = torch.arange(height * width, device=x.device).view(height, width)
    cells = index[: height // CELL * CELL, : width // CELL * CELL]
    chosen = torch.zeros_like(index, dtype=torch.bool)
    chosen[: cells.shape[0] : CELL, : cells.shape[1] : CELL] = True
    receivers, others = (index[which].expand(len(x), -1)[..., None] for which in (chosen, ~chosen))
    count = min(count, others.shape[1])
    if count <= 0 or receivers.shape[1] == 0:
        return None
    unit = x / x.norm(dim=-1, keepdim=True)
    likeness, into = (_gather_tokens(unit, others) @ _gather_tokens(unit, receivers).mT).max(
        dim=-1
    )  # (B,others)
    order = likeness.argsort(dim=-1, descending=True)[..., None]
    first, rest = order[:, :count], order[:, count:]
    return TokenMerge(
        _gather_tokens(others, rest),
        _gather_tokens(others, first),
        _gather_tokens(into[..., None], first),
        receivers,
    )


def _gather_tokens(x: Tensor, places: Tensor) -> Tensor:
    """The tokens (B,n,C) of ``x`` (B,N,C) at ``places`` (B,n,1)."""
    return x.gather(1, places.expand(-1, -1, x.shape[-1]))


@contextmanager
def apply_token_merging(unet: nn.Module, ratio: Callable[[], float]) -> Iterator[None]:
    """Let the self-attention of ``unet`` merge tokens until the block ends.

    ``ratio()`` is asked at each call of the network: the share of tokens to merge, 0 for none.
    """
    state = _State(ratio)
    hooks = [unet.register_forward_pre_hook(state.remember_size)]
    for block in unet.modules():
        attention = getattr(block, "attn1", None)
        if isinstance(attention, nn.Module):
            hooks.append(block.register_forward_pre_hook(state.choose_merge))
            hooks.append(attention.register_forward_pre_hook(state.merge_input))
            hooks.append(attention.register_forward_hook(state.spread_output))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@dataclass(slots=True, eq=False)
class _State:
    """What hooks of one network tell one another within a call."""

    ratio: Callable[[], float]
    size: tuple[int, int] = (0, 0)  # of the latent, (h, w)
    current_merge: TokenMerge | None = None  # for the attention that comes next

    def remember_size(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        """The network is about to draw its first argument, (B,C,h,w)."""
        self.size = tuple(inputs[0].shape[-2:])

    def choose_merge(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        """A transformer block is about to read its first argument, (B,N,C)."""
        tokens, (height, width) = inputs[0], self.size
        ratio = self.ratio()
        finest = tokens.shape[1] == height * width
        self.current_merge = (
            match_tokens(tokens, height, width, ratio) if ratio > 0 and finest else None
        )

    def merge_input(self, _: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Its self-attention gets fewer tokens ..."""
        return (
            None
            if self.current_merge is None
            else (self.current_merge.merge(inputs[0]), *inputs[1:])
        )

    def spread_output(self, _: nn.Module, __: object, output: Tensor) -> Tensor | None:
        """... and answers for all."""
        return None if self.current_merge is None else self.current_merge.spread(output)
