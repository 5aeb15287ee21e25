"""Tileable pictures: convolutions with circular padding (contract section 5.6)."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def apply_tiling(networks: tuple[nn.Module, ...], enabled: bool) -> Iterator[None]:
    """Let every convolution of ``networks`` wrap around its edges until the block ends."""
    layers = [
        (layer, layer.padding_mode)
        for network in (networks if enabled else ())  # looking through them takes milliseconds
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d)
    ]
    try:
        for layer, _ in layers:
            layer.padding_mode = "circular"
        yield
    finally:
        for layer, mode in layers:
            layer.padding_mode = mode
