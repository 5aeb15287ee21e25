"""Hooks of a sampling pass: the initial latent and each step's x0 may be replaced."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class StepHooks:
    """``start(latent (B,C,h,w), sigmas (n+1,))`` gives the latent to begin with.

    ``step(x0 (B,C,h,w))`` gives the x0 that the sampler goes on with.
    """

    start: Callable[[Tensor, Tensor], Tensor]
    step: Callable[[Tensor], Tensor]
