"""How many bytes weights take: of networks in memory, and of a file's once they are loaded."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

import torch
from torch import Tensor, nn

from generator.errors import ModelUnreadable
from generator.models.half_layers import keeps_half_on, may_stay_half
from generator.models.header import TensorEntry, read_header
from generator.models.index import ModelFile

HALF_BYTES = 2
PICKLE_FACTOR = 2  # a pickle of fp16 becomes fp32 on the CPU, but for what stays as it is


def networks_of(value: object) -> Iterator[nn.Module]:
    """The networks that a value is or holds in its fields, lists and tuples."""
    if isinstance(value, nn.Module):
        yield value
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from networks_of(getattr(value, field.name))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from networks_of(item)


def tensors_of(value: object) -> Iterator[Tensor]:
    """The parameters and buffers of those networks, or a mapping's own tensors, each once."""
    seen: set[int] = set()
    for tensor in _listed_tensors(value):
        if id(tensor) not in seen:
            seen.add(id(tensor))
            yield tensor


def _listed_tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Mapping):  # the weights of a network that is written as a function
        yield from value.values()
    for network in networks_of(value):
        yield from network.parameters()
        yield from network.buffers()


def bytes_of(value: object) -> int:
    """Bytes of all weights in a value."""
    return sum(tensor.nbytes for tensor in tensors_of(value))


def expected_bytes(file: ModelFile, dtype: torch.dtype, device: torch.device | None = None) -> int:
    """Bytes that the tensors of ``file`` take as ``dtype``, by its header; a guess for pickles.

    On a ``device`` that is the CPU large ones of half precision count as they are in the file.
    """
    if any(path.suffix != ".safetensors" for path in file.weight_files):
        return file.size * PICKLE_FACTOR
    try:
        headers = [read_header(path) for path in file.weight_files]
    except (ModelUnreadable, OSError):
        return file.size  # loading tells what is wrong with it
    keeps_half = device is not None and keeps_half_on(device, dtype)
    return sum(
        math.prod(entry.shape)
        * (HALF_BYTES if keeps_half and _stays_half(name, entry) else dtype.itemsize)
        for header in headers
        for name, entry in header.tensors.items()
    )


def _stays_half(name: str, entry: TensorEntry) -> bool:
    is_layer = name.endswith("weight") and not name.endswith("embedding.weight")
    return is_layer and entry.dtype in ("F16", "BF16") and may_stay_half(math.prod(entry.shape))
