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
from generator.memory_errors import find_memory_error
from generator.models.adapter_files import Adapter, check_family
from generator.models.adapter_names import SECOND_TEXT, TEXT, UNET, to_kohya_name
from generator.models.checkpoint import Checkpoint
from generator.models.deltas import bias_delta, reads_weight, weight_delta
from generator.models.families.catalog import family_of_architecture
from generator.models.families.family import Family
from generator.models.families.ldm.keys import ldm_layers
from generator.models.families.ldm.sizes import layout_of_config

TEXTS = (TEXT, SECOND_TEXT)
MAX_NAMES_IN_SENTENCE = 3  # of layers, in a sentence


@dataclass(frozen=True, slots=True, eq=False)
class AppliedAdapter:
    """An adapter with the strengths of one mention in a prompt."""

    adapter: Adapter
    text_strength: float = 1.0
    unet_strength: float = 1.0
    rank_limit: int | None = None
    mentions: int = 1  # how often the prompt names it


@contextmanager
def apply_adapters(
    checkpoint: Checkpoint,
    applied_adapters: Sequence[AppliedAdapter],
    pause: Callable[[], None] = lambda: None,
) -> Iterator[tuple[str, ...]]:
    """The checkpoint's weights with ``applied_adapters`` added, in order, until the block ends.

    ``pause`` is called before each layer, and may raise to end it. Yields a sentence for each file
    of which something fitted nothing. Raises :class:`WrongArchitecture` for one of another family,
    and for one that fits nowhere; the weights are restored in every case.
    """
    originals: dict[nn.Parameter, Tensor] = {}
    modules = _modules_by_kohya_name(checkpoint) if applied_adapters else {}
    try:
        remarks: list[str] = []
        for applied in applied_adapters:
            check_family(applied.adapter, checkpoint.file, checkpoint.family)
            remarks += _remark_unused(
                applied.adapter,
                [*_apply_adapter(applied, modules, originals, pause)],
                checkpoint,
            )
        yield tuple(dict.fromkeys(remarks))
    finally:
        for parameter, original in originals.items():
            parameter.data = original


def _remark_unused(
    adapter: Adapter, layers: Sequence[str], checkpoint: Checkpoint
) -> Iterator[str]:
    """What of ``adapter`` is not in the picture, in words: its ``layers``, and unknown names."""
    names = [*layers, *adapter.unknown]
    family = checkpoint.family
    if not names or (family.lends_adapters and _is_lent(adapter, family)):
        return
    if set(layers) >= set(adapter.layers) and not adapter.embeddings:
        raise WrongArchitecture(
            f"The LoRA {adapter.file.name} fits no layer of {checkpoint.file.name}, which is a "
            f"{family.label} checkpoint: {_list_names(names)}. "
            "It was made for another architecture"
        )
    sizes = {name: len(factors) for name, factors in adapter.layers.items()}
    lost = sum(sizes.get(name, 1) for name in layers) + len(adapter.unknown)
    total = sum(sizes.values()) + len(adapter.embeddings) + len(adapter.unknown)
    yield (
        f"Lora {adapter.file.stem}: {lost} of its {total} keys are without effect, as nothing here "
        f"fits them: {_list_names(names)}"
    )


def _is_lent(adapter: Adapter, family: Family) -> bool:
    """Whether it was made for a family whose adapters ``family`` takes as far as they fit."""
    own = adapter.architecture and family_of_architecture(adapter.architecture)
    return own is None or own.name in family.lends_adapters


def _list_names(names: Sequence[str]) -> str:
    listed = ", ".join(names[:MAX_NAMES_IN_SENTENCE])
    return (
        listed
        if len(names) <= MAX_NAMES_IN_SENTENCE
        else f"{listed} and {len(names) - MAX_NAMES_IN_SENTENCE} more"
    )


def _apply_adapter(
    applied: AppliedAdapter,
    modules: Mapping[str, nn.Module],
    originals: dict[nn.Parameter, Tensor],
    pause: Callable[[], None],
) -> Iterator[str]:
    """Change the weights; yields the layers that are not here, do not fit or are unknown."""
    for name, stored in applied.adapter.layers.items():
        module = modules.get(name)
        strength = applied.text_strength if name.startswith(TEXTS) else applied.unet_strength
        weight = getattr(module, "weight", None)
        if not isinstance(weight, nn.Parameter):
            yield name
            continue
        factors = {key: factor.to(weight.device, torch.float32) for key, factor in stored.items()}
        again, times = (applied.mentions, 1) if reads_weight(factors) else (1, applied.mentions)
        before = weight.data
        try:
            for _ in range(again):
                pause()
                change = weight_delta(factors, weight.float(), applied.rank_limit)
                if change is not None:
                    _shift_parameter(weight, change * (strength * times), originals)
            bias, shift = getattr(module, "bias", None), bias_delta(factors)
            if isinstance(bias, nn.Parameter) and shift is not None:
                _shift_parameter(
                    bias, shift.reshape(bias.shape) * (strength * applied.mentions), originals
                )
        except (RuntimeError, IndexError, ValueError, TypeError, ArithmeticError) as error:
            if find_memory_error(error) is not None:
                raise
            weight.data = before
            yield name
            continue
        except KeyError as error:
            raise _incomplete_error(applied, name, str(error.args[0])) from error
        if shift is None and change is None:
            yield name
        elif shift is not None and not isinstance(bias, nn.Parameter):
            yield f"{name}.bias"


def _shift_parameter(
    parameter: nn.Parameter, change: Tensor, originals: dict[nn.Parameter, Tensor]
) -> None:
    originals.setdefault(parameter, parameter.data)
    parameter.data = parameter.data + change.to(parameter.dtype)


def _incomplete_error(applied: AppliedAdapter, name: str, lacking: str) -> ModelUnreadable:
    return ModelUnreadable(
        f"{applied.adapter.file.name} is incomplete: its layer {name} lacks {lacking}. Copy "
        "it again"
    )


def _modules_by_kohya_name(checkpoint: Checkpoint) -> dict[str, nn.Module]:
    """Every layer with a weight, by the names that kohya's trainer gives it.

    The U-Net's have two: of diffusers' blocks, and of LDM's.
    """
    unet = {name: module for name, module in checkpoint.unet.named_modules() if _has_weight(module)}
    ldm = ldm_layers(unet, layout_of_config(checkpoint.unet.config))
    modules = {to_kohya_name(UNET, old): unet[new] for new, old in ldm.items()}
    modules |= {to_kohya_name(UNET, name): module for name, module in unet.items()}
    for encoder in checkpoint.text_encoders:
        modules |= {
            to_kohya_name(encoder.spec.lora_prefix, name.removeprefix("text_model.")): module
            for name, module in encoder.model.named_modules()
            if _has_weight(module)
        }
    return modules


def _has_weight(module: nn.Module) -> bool:
    return isinstance(getattr(module, "weight", None), nn.Parameter)
