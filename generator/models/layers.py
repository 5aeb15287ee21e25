"""Convolutions by the names of their weights, for networks that are written as functions.

Such a network has no sizes of its own: the weights of the file tell them.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from generator.errors import ModelUnreadable
from generator.memory_errors import find_memory_error

Weights = Mapping[str, Tensor]
RUN_ERRORS = (RuntimeError, LookupError, TypeError, ValueError)
"""What torch, OpenCV and dictionaries raise where a file's weights do not fit together."""


def to_weights(
    tensors: Mapping[str, Tensor], device: torch.device, needed: str, name: str
) -> Weights:
    """``tensors`` of the file ``name`` on ``device``, as fp32, without the prefix ``module.``

    Raises :class:`ModelUnreadable` where the tensor ``needed`` is not among them.
    """
    weights = {
        key.removeprefix("module."): tensor.to(device, torch.float32, copy=True)
        for key, tensor in tensors.items()
        if tensor.is_floating_point()
    }
    if needed not in weights:
        raise ModelUnreadable(f"{name}: it has no {needed}; it is another network.")
    return weights


@contextmanager
def explain_misfit(name: str) -> Iterator[None]:
    """Where the weights of the file ``name`` do not fit together: :class:`ModelUnreadable`."""
    try:
        yield
    except RUN_ERRORS as error:
        if find_memory_error(error) is not None:
            raise
        raise ModelUnreadable(
            f"{name}: its weights are those of another network, or damaged; copy it again."
        ) from error


def count_blocks(weights: Weights, prefix: str, suffix: str, first: int = 0) -> int:
    """The first number that no ``prefix NUMBER suffix`` has, counted from ``first``."""
    number = first
    while f"{prefix}{number}{suffix}" in weights:
        number += 1
    return number


def convolve(
    weights: Weights, name: str, pixels: Tensor, stride: int = 1, padding: int | None = None
) -> Tensor:
    """The convolution ``name`` over ``pixels`` (1,C,h,w); its padding keeps the size."""
    kernel = weights[f"{name}.weight"]
    padding = kernel.shape[-1] // 2 if padding is None else padding
    return F.conv2d(pixels, kernel, weights.get(f"{name}.bias"), stride, padding)


def normalise(weights: Weights, name: str, pixels: Tensor) -> Tensor:
    """The batch normalisation ``name`` with the averages of the training."""
    return F.batch_norm(
        pixels,
        weights[f"{name}.running_mean"],
        weights[f"{name}.running_var"],
        weights[f"{name}.weight"],
        weights[f"{name}.bias"],
    )
