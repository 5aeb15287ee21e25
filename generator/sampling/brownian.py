"""Brownian noise for the SDE samplers: one tree per picture, from its seed.

Li et al. (2020), "Scalable gradients for stochastic differential equations" (torchsde). The same
path is met whatever levels are asked for, so more steps refine the same picture (contract 3.7).
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from unittest.mock import patch

import torch
import torchsde
from torch import Tensor
from torchsde._brownian import brownian_interval

from generator.sampling.noise import make_random_source


@contextmanager
def _use_random_source(source: str, device: torch.device) -> Iterator[None]:
    """Let torchsde's nodes draw from our RNG source; it has no parameter for that."""

    def draw(size: Sequence[int], dtype: torch.dtype, where: torch.device, seed: int) -> Tensor:
        return make_random_source(int(seed), source, device)(tuple(size)).to(where, dtype)

    with patch.object(brownian_interval, "_randn", draw), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # levels a rounding error outside the interval
        yield


class BrownianNoise:
    """``draw(sigma, target)`` -> (B, C, h, w): increments of each picture's own path.

    ``low`` and ``high`` bound the noise levels. ``shared`` gives the whole batch one path, as the
    option ``no_dpmpp_sde_batch_determinism`` does.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        shape: tuple[int, int, int],
        low: Tensor,
        high: Tensor,
        source: str = "CPU",
        device: torch.device | str = "cpu",
        shared: bool = False,
    ) -> None:
        self._source = source
        self._device = torch.device(device)
        if shared:
            seeded = torch.Generator().manual_seed(seeds[-1])
            entropies = [int(torch.randint(0, 2**63 - 1, [], generator=seeded))]
            shape_of_tree: tuple[int, ...] = (len(seeds), *shape)
        else:
            entropies, shape_of_tree = list(seeds), (1, *shape)
        start = torch.zeros(shape_of_tree)
        with _use_random_source(source, self._device):
            self._trees = [
                torchsde.BrownianTree(low.cpu(), start, high.cpu(), entropy=entropy)
                for entropy in entropies
            ]

    def __call__(self, sigma: Tensor, target: Tensor) -> Tensor:
        """The increment from ``sigma`` down to ``target``, divided by its standard deviation."""
        low, high = sorted((sigma.cpu(), target.cpu()))
        with _use_random_source(self._source, self._device):
            rises = torch.cat([tree(low, high) for tree in self._trees])  # (B, C, h, w)
        sign = 1 if sigma < target else -1
        return (rises * sign / (high - low).sqrt()).to(sigma.device)
