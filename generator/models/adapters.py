"""LoRA and its kin: read from a file, added to the weights for a job, taken away bit-equal.

A change is added to the weight itself, in the weight's own precision, as AUTOMATIC1111 does
(contract section 2.6); the untouched tensor is kept aside and put back, not subtracted.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from generator.errors import WrongArchitecture
from generator.models.checkpoint import Checkpoint
from generator.models.deltas import Factors, bias_delta, delta
from generator.models.index import ModelFile
from generator.models.weights import read_tensors

UNET = "lora_unet_"
TEXT = "lora_te_text_model_"


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """The changes of one file, by layer as the file names it (``lora_unet_...``)."""

    file: ModelFile
    layers: Mapping[str, Factors]


@dataclass(frozen=True, slots=True, eq=False)
class Mount:
    """An adapter with the strengths of one mention in a prompt."""

    adapter: Adapter
    text_strength: float = 1.0
    unet_strength: float = 1.0
    rank_limit: int | None = None


def read_adapter(file: ModelFile) -> Adapter:
    """The adapter in ``file``, in fp32 on the CPU.

    Raises :class:`ModelUnreadable` for a broken file and :class:`WrongArchitecture` for one that
    names no layer of Stable Diffusion 1.x.
    """
    layers: dict[str, dict[str, Tensor]] = {}
    for name, tensor in read_tensors(file.path).items():
        layer, _, factor = name.partition(".")
        layers.setdefault(layer, {})[factor] = tensor.to(torch.float32, copy=True)
    known = {layer: layers[layer] for layer in layers if layer.startswith((UNET, TEXT))}
    if not known:
        raise WrongArchitecture(
            f"{file.name} was asked for as a LoRA of Stable Diffusion 1.x, but none of its "
            f"{len(layers)} layers is named as one. Choose another file"
        )
    return Adapter(file, known)


@contextmanager
def mounted(checkpoint: Checkpoint, mounts: Sequence[Mount]) -> Iterator[tuple[str, ...]]:
    """The checkpoint's weights with ``mounts`` added, in order, until the block ends.

    Yields the names of layers that fitted nothing. Raises :class:`WrongArchitecture` when a
    layer's sizes differ; the weights are restored in every case.
    """
    kept: dict[nn.Parameter, Tensor] = {}
    modules = _modules(checkpoint) if mounts else {}
    try:
        unknown = [name for mount in mounts for name in _add(mount, modules, kept)]
        yield tuple(dict.fromkeys(unknown))
    finally:
        for parameter, original in kept.items():
            parameter.data = original


def _add(
    mount: Mount, modules: Mapping[str, nn.Module], kept: dict[nn.Parameter, Tensor]
) -> Iterator[str]:
    for name, factors in mount.adapter.layers.items():
        module = modules.get(name)
        strength = mount.text_strength if name.startswith(TEXT) else mount.unet_strength
        if module is None:
            yield name
            continue
        weight = module.weight
        assert isinstance(weight, nn.Parameter)
        try:
            change = delta(factors, weight.float().cpu(), mount.rank_limit)
        except RuntimeError as error:
            raise _misfit(mount, name, weight) from error
        if change is None:
            yield name
            continue
        _shift(weight, change * strength, kept)
        shift = bias_delta(factors)
        if shift is not None and isinstance(module.bias, nn.Parameter):
            _shift(module.bias, shift * strength, kept)


def _shift(parameter: nn.Parameter, change: Tensor, kept: dict[nn.Parameter, Tensor]) -> None:
    kept.setdefault(parameter, parameter.data)
    parameter.data = parameter.data + change.to(parameter.device, parameter.dtype)


def _misfit(mount: Mount, name: str, weight: Tensor) -> WrongArchitecture:
    found = {key: tuple(value.shape) for key, value in mount.adapter.layers[name].items()}
    return WrongArchitecture(
        f"The LoRA {mount.adapter.file.name} does not fit the checkpoint: its layer {name} has "
        f"the factors {found}, the checkpoint's weight is {tuple(weight.shape)}. "
        "It was made for another architecture"
    )


def _modules(checkpoint: Checkpoint) -> dict[str, nn.Module]:
    """Every layer with a weight, by the name that kohya's trainer gives it."""
    networks = ((UNET, checkpoint.unet), (TEXT, checkpoint.text_encoder))
    return {
        prefix + name.replace(".", "_"): module
        for prefix, network in networks
        for name, module in network.named_modules()
        if isinstance(getattr(module, "weight", None), nn.Parameter)
    }
