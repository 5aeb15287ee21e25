"""Layers that keep fp16 or bf16 weights and compute in fp32, on the CPU.

Each number of fp16 and bf16 is one of fp32 too: what such a layer answers is what it would with
all its weights widened at loading. They take half the memory, and a file is read as it is. Widening
the layers each time costs about 1 % (SDXL's U-Net, one row at 512x512, 2 cores: 20.5 s of processor
time a pass against 20.4 s).
"""

import threading
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HALVES = frozenset({torch.float16, torch.bfloat16})
LEAST_NUMBERS = 1 << 18  # of a weight that stays narrow: smaller ones take little memory


class Widener(threading.local):
    """Memory that the layers of one network widen their weights into, one after another.

    Each thread has its own: jobs may encode and decode side by side.
    """

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._numbers = torch.empty(0, dtype=dtype)

    def __reduce__(self) -> tuple[type["Widener"], tuple[torch.dtype]]:
        """A copied network has memory of its own."""
        return Widener, (self.dtype,)

    def widen(self, weight: Tensor) -> Tensor:
        """``weight`` in the type to compute in; good until the next call in this thread."""
        if weight.dtype == self.dtype:
            return weight  # an adapter was merged into it
        if torch.is_grad_enabled():
            return weight.to(self.dtype)  # training reads it again on the way back
        count = weight.numel()
        if len(self._numbers) < count or self._numbers.device != weight.device:
            with torch.inference_mode(mode=False):  # of which others may write to it too
                self._numbers = torch.empty(count, dtype=self.dtype, device=weight.device)
        # A transposed weight stays so: matrices are multiplied in another order else.
        extent = 1 + sum(
            (n - 1) * step for n, step in zip(weight.shape, weight.stride(), strict=True)
        )
        if extent != count:
            return weight.to(self.dtype)
        return self._numbers.as_strided(weight.shape, weight.stride()).copy_(weight)


class HalfLinear(nn.Linear):
    """A linear layer whose weight is narrower than its input."""

    widener: Widener

    def forward(self, input: Tensor) -> Tensor:
        """As ``nn.Linear`` with the widened weight."""
        return F.linear(input, self.widener.widen(self.weight), self.bias)


class HalfConv2d(nn.Conv2d):
    """A convolution whose weight is narrower than its input."""

    widener: Widener

    def forward(self, input: Tensor) -> Tensor:
        """As ``nn.Conv2d`` with the widened weight."""
        return self._conv_forward(input, self.widener.widen(self.weight), self.bias)


_NARROW: dict[type[nn.Module], type[HalfLinear | HalfConv2d]] = {
    nn.Linear: HalfLinear,
    nn.Conv2d: HalfConv2d,
}


def keeps_half_on(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether large weights stay as narrow as their file has them, where ``dtype`` is computed."""
    return device.type == "cpu" and dtype == torch.float32


def may_stay_half(count: int) -> bool:
    """Whether a layer's weight of so many numbers may stay narrow."""
    return count >= LEAST_NUMBERS


def names_to_keep(network: nn.Module) -> frozenset[str]:
    """The weights of ``network`` that may stay as narrow as their file has them.

    Not the first of all: networks of diffusers and transformers tell by it what they compute in.
    """
    first = next((name for name, _ in network.named_parameters()), "")
    return frozenset(
        f"{name}.weight"
        for name, module in network.named_modules()
        if type(module) in _NARROW and may_stay_half(cast(Tensor, module.weight).numel())
    ) - {first}


def widen_on_use(network: nn.Module, dtype: torch.dtype) -> None:
    """Let the layers of ``network`` whose weights are narrower than ``dtype`` compute in it."""
    widener = Widener(dtype)
    for module in network.modules():
        narrow = _NARROW.get(type(module))
        if narrow is not None and cast(Tensor, module.weight).dtype != dtype:
            module.__class__ = narrow
            cast(HalfLinear | HalfConv2d, module).widener = widener


def compute_dtype(module: nn.Module) -> torch.dtype:
    """The type in which a layer with a weight computes."""
    if isinstance(module, HalfLinear | HalfConv2d):
        return module.widener.dtype
    return cast(Tensor, module.weight).dtype
