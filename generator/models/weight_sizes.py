"""How many bytes weights take: of networks in memory, and of a file's once they are loaded."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass

import torch
from torch import Tensor, nn

from generator.errors import ModelUnreadable
from generator.models.header import read_header
from generator.models.index import ModelFile

PICKLE_FACTOR = 2  # a pickle of fp16 becomes fp32 on the CPU


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


def expected_bytes(file: ModelFile, dtype: torch.dtype) -> int:
    """Bytes that the tensors of ``file`` take as ``dtype``, by its header; a guess for pickles."""
    if any(path.suffix != ".safetensors" for path in file.weight_files):
        return file.size * PICKLE_FACTOR
    try:
        headers = [read_header(path) for path in file.weight_files]
    except (ModelUnreadable, OSError):
        return file.size  # loading tells what is wrong with it
    shapes = (entry.shape for header in headers for entry in header.tensors.values())
    return sum(map(math.prod, shapes)) * dtype.itemsize
