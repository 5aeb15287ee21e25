"""Blends inpainted and original latents, at each step and at the end."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from generator.request import SoftInpainting


class Blend(Protocol):
    """Joins what a step painted with what stays."""

    def __call__(self, x: Tensor, level: Tensor) -> Tensor:
        """``x`` (B,C,h,w) at ``level`` (B,): a sigma, or the timestep of timestep samplers."""
        ...

    def finish(self, x: Tensor) -> Tensor:
        """The finished latent (B,C,h,w)."""
        ...


@dataclass(frozen=True, slots=True)
class HardBlend:
    """Where the mask is 1 the new picture shows, where it is 0 the old one (contract 4.9)."""

    initial: Tensor  # (B,C,h,w), the latent that stays
    mask: Tensor  # broadcastable to it

    def __call__(self, x: Tensor, level: Tensor) -> Tensor:
        return self.finish(x)

    def finish(self, x: Tensor) -> Tensor:
        return x * self.mask + self.initial * (1.0 - self.mask)


@dataclass(frozen=True, slots=True)
class SoftBlend:
    """Soft inpainting: the old picture gives way the more, the less noise is left.

    Contract section 5.5. Latents are vectors of C numbers a cell; mixing two shortens them, so
    the mix gets the power mean of both lengths back.
    """

    initial: Tensor  # (B,C,h,w)
    mask: Tensor  # (1,1,h,w), not rounded
    soft: SoftInpainting

    def __call__(self, x: Tensor, level: Tensor) -> Tensor:
        wide = level[:, None, None, None]
        share = self.mask ** (wide**self.soft.schedule_bias * self.soft.preservation)
        mixed = torch.lerp(self.initial, x, share)
        power = self.soft.contrast_boost
        length = (
            _vector_length(self.initial) ** power * (1 - share) + _vector_length(x) ** power * share
        )
        return (mixed * (length ** (1 / power) / (_vector_length(mixed) + 1e-5))).to(x.dtype)

    def finish(self, x: Tensor) -> Tensor:
        return x


def _vector_length(x: Tensor) -> Tensor:
    """(B,1,h,w), in float64: the contrast boost may raise it to the 32nd power."""
    return torch.linalg.vector_norm(x, dim=1, keepdim=True).double()
