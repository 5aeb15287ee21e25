"""What every network that describes pictures comes to."""

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image
from torch import nn

from generator.interrogation.requests import InterrogationRequest
from generator.models.weight_sizes import bytes_of

Describe = Callable[[Image.Image, InterrogationRequest], str]
"""Words for a picture in RGB."""


@dataclass(frozen=True, slots=True)
class Describer:
    """A loaded network; ``describe`` computes with its weights, wherever they were moved to."""

    describe: Describe
    network: nn.Module | None  # None: a runtime of its own holds the weights
    other_bytes: int = 0  # of that one

    @property
    def size(self) -> int:
        """Bytes of its weights."""
        return bytes_of(self.network) + self.other_bytes
