"""Where a pass lets others hear, and change, what it samples."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Hearing:
    """``start(latent (B,C,h,w), sigmas (n+1,))`` gives the latent to begin with.

    ``step(x0 (B,C,h,w))`` gives the x0 that the sampler goes on with.
    """

    start: Callable[[Tensor, Tensor], Tensor]
    step: Callable[[Tensor], Tensor]
