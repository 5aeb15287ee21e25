"""Applies LoRA and other adapters to a checkpoint's weights for one job and restores them exactly.

A change is added to the weight itself, in the weight's own precision, as AUTOMATIC1111 does
(contract section 2.6); the original tensor is kept and put back, not subtracted.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from generator.errors import ModelUnreadable, WrongArchitecture
from generator.models.adapter_files import Adapter, check_fit
from generator.models.adapter_names import TEXT, UNET
from generator.models.checkpoint import Checkpoint
from generator.models.deltas import bias_delta, delta, reads_weight
from generator.models.families import SD1
from generator.models.families.sd1.keys import ldm_layers
from generator.models.families.sd1.sizes import layout_of
from generator.models.index import ModelFile

NAMES_SHOWN = 3  # of layers, in a sentence


@dataclass(frozen=True, slots=True, eq=False)
class Mount:
    """An adapter with the strengths of one mention in a prompt."""

    adapter: Adapter
    text_strength: float = 1.0
    unet_strength: float = 1.0
    rank_limit: int | None = None
    times: int = 1  # how often the prompt names it


@contextmanager
def mounted(
    checkpoint: Checkpoint, mounts: Sequence[Mount], pause: Callable[[], None] = lambda: None
) -> Iterator[tuple[str, ...]]:
    """The checkpoint's weights with ``applied_adapters`` added, in order, until the block ends.

    ``pause`` is called before each layer, and may raise to end it. Yields a sentence for each file
    of which something fitted nothing. Raises :class:`WrongArchitecture` when sizes differ; the
    weights are restored in every case.
    """
    kept: dict[nn.Parameter, Tensor] = {}
    modules = _modules(checkpoint) if mounts else {}
    width = checkpoint.unet.config.cross_attention_dim
    try:
        told: list[str] = []
        for mount in mounts:
            check_fit(mount.adapter, checkpoint.file, width)
            told += _left_over(mount.adapter, [*_add(mount, modules, kept, pause)], checkpoint.file)
        yield tuple(dict.fromkeys(told))
    finally:
        for parameter, original in kept.items():
            parameter.data = original


def _left_over(adapter: Adapter, layers: Sequence[str], checkpoint: ModelFile) -> Iterator[str]:
    """What of ``adapter`` is not in the picture, in words: its ``layers``, and unknown names."""
    names = [*layers, *adapter.unknown]
    if not names:
        return
    if set(layers) >= set(adapter.layers) and not adapter.embeddings:
        raise WrongArchitecture(
            f"The LoRA {adapter.file.name} fits no layer of {checkpoint.name}, which is a {SD1} "
            f"checkpoint: {_some(names)}. It was made for another architecture"
        )
    sizes = {name: len(factors) for name, factors in adapter.layers.items()}
    lost = sum(sizes.get(name, 1) for name in layers) + len(adapter.unknown)
    total = sum(sizes.values()) + len(adapter.embeddings) + len(adapter.unknown)
    yield (
        f"Lora {adapter.file.stem}: {lost} of its {total} keys are without effect, as nothing here "
        f"fits them: {_some(names)}"
    )


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:NAMES_SHOWN])
    return shown if len(names) <= NAMES_SHOWN else f"{shown} and {len(names) - NAMES_SHOWN} more"


def _add(
    mount: Mount,
    modules: Mapping[str, nn.Module],
    kept: dict[nn.Parameter, Tensor],
    pause: Callable[[], None],
) -> Iterator[str]:
    """Change the weights; yields the layers that are not here or whose factors are unknown."""
    for name, stored in mount.adapter.layers.items():
        module = modules.get(name)
        strength = mount.text_strength if name.startswith(TEXT) else mount.unet_strength
        weight = getattr(module, "weight", None)
        if not isinstance(weight, nn.Parameter):
            yield name
            continue
        factors = {key: factor.to(weight.device, torch.float32) for key, factor in stored.items()}
        again, times = (mount.times, 1) if reads_weight(factors) else (1, mount.times)
        try:
            for _ in range(again):
                pause()
                change = delta(factors, weight.float(), mount.rank_limit)
                if change is not None:
                    _shift(weight, change * (strength * times), kept)
            bias, shift = getattr(module, "bias", None), bias_delta(factors)
            if isinstance(bias, nn.Parameter) and shift is not None:
                _shift(bias, shift.reshape(bias.shape) * (strength * mount.times), kept)
        except (RuntimeError, IndexError, ValueError, TypeError, ArithmeticError) as error:
            raise _misfit(mount, name, weight) from error
        except KeyError as error:
            raise _incomplete(mount, name, str(error.args[0])) from error
        if shift is None and change is None:
            yield name
        elif shift is not None and not isinstance(bias, nn.Parameter):
            yield f"{name}.bias"


def _shift(parameter: nn.Parameter, change: Tensor, kept: dict[nn.Parameter, Tensor]) -> None:
    kept.setdefault(parameter, parameter.data)
    parameter.data = parameter.data + change.to(parameter.dtype)


def _misfit(mount: Mount, name: str, weight: Tensor) -> WrongArchitecture:
    found = {key: tuple(value.shape) for key, value in mount.adapter.layers[name].items()}
    return WrongArchitecture(
        f"The LoRA {mount.adapter.file.name} does not fit the {SD1} checkpoint: its layer {name} "
        f"has the factors {found}, the checkpoint's weight is {tuple(weight.shape)}. "
        "It was made for another architecture"
    )


def _incomplete(mount: Mount, name: str, lacking: str) -> ModelUnreadable:
    return ModelUnreadable(
        f"{mount.adapter.file.name} is incomplete: its layer {name} lacks {lacking}. Copy it again"
    )


def _modules(checkpoint: Checkpoint) -> dict[str, nn.Module]:
    """Every layer with a weight, by the names that kohya's trainer gives it.

    The U-Net's have two: of diffusers' blocks, and of LDM's.
    """
    unet = {name: module for name, module in checkpoint.unet.named_modules() if _weighs(module)}
    text = checkpoint.text_encoder.named_modules()
    ldm = ldm_layers(unet, layout_of(checkpoint.unet.config))
    return (
        {_flat(UNET, old): unet[new] for new, old in ldm.items()}
        | {_flat(UNET, name): module for name, module in unet.items()}
        | {_flat(TEXT, name): module for name, module in text if _weighs(module)}
    )


def _weighs(module: nn.Module) -> bool:
    return isinstance(getattr(module, "weight", None), nn.Parameter)


def _flat(prefix: str, name: str) -> str:
    return prefix + name.replace(".", "_")
