"""Applies LoRA and other adapters to a checkpoint's weights for one job and restores them exactly.

A change is added to the weight itself, in the precision that its layer computes in, as
AUTOMATIC1111 does (contract section 2.6); the original tensor is kept and put back, not subtracted.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from generator.errors import ModelUnreadable, WrongArchitecture
from generator.memory_errors import find_memory_error
from generator.models.adapter_files import Adapter, check_family
from generator.models.adapter_layers import AdaptedLayer, layers_by_kohya_name
from generator.models.checkpoint import Checkpoint
from generator.models.deltas import bias_delta, weight_delta
from generator.models.families.catalog import family_of_architecture
from generator.models.families.family import Family
from generator.models.families.lora_blocks import BASE
from generator.models.half_layers import compute_dtype
from generator.prompt.block_weights import BlockWeights

MAX_NAMES_IN_SENTENCE = 3  # of layers, in a sentence


@dataclass(frozen=True, slots=True, eq=False)
class AppliedAdapter:
    """An adapter with the strengths of one mention in a prompt."""

    adapter: Adapter
    text_strength: float = 1.0
    unet_strength: float = 1.0
    rank_limit: int | None = None
    mentions: int = 1  # how often the prompt names it
    blocks: BlockWeights | None = None  # None: all blocks alike

    def strengths(self, family: Family) -> Callable[[AdaptedLayer], float]:
        """How strongly each layer is changed, by all mentions together.

        Raises :class:`BadRequest` for weights by block that are of another family.
        """
        ratios = self.blocks.by_block(family) if self.blocks else {}

        def strength_of(layer: AdaptedLayer) -> float:
            own = self.text_strength if layer.block == BASE else self.unet_strength
            ratio = 1.0 if layer.block is None else ratios.get(layer.block, 1.0)
            return own * self.mentions * ratio

        return strength_of


@contextmanager
def apply_adapters(
    checkpoint: Checkpoint,
    applied_adapters: Sequence[AppliedAdapter],
    pause: Callable[[], None] = lambda: None,
) -> Iterator[tuple[str, ...]]:
    """The checkpoint's weights with ``applied_adapters`` added, in order, until the block ends.

    Each is merged once, however often the prompt names it. ``pause`` is called before each layer,
    and may raise to end it. Yields a sentence for each file of which something fitted nothing.
    Raises :class:`WrongArchitecture` for one of another family, and for one that fits nowhere; the
    weights are restored in every case.
    """
    originals: dict[nn.Parameter, Tensor] = {}
    layers = layers_by_kohya_name(checkpoint) if applied_adapters else {}
    try:
        remarks: list[str] = []
        for applied in applied_adapters:
            check_family(applied.adapter, checkpoint.file, checkpoint.family)
            strengths = applied.strengths(checkpoint.family)
            remarks += remark_unused(
                applied.adapter,
                [*_apply_adapter(applied, layers, strengths, originals, pause)],
                checkpoint,
            )
        yield tuple(dict.fromkeys(remarks))
    finally:
        for parameter, original in originals.items():
            parameter.data = original


def remark_unused(adapter: Adapter, layers: Sequence[str], checkpoint: Checkpoint) -> Iterator[str]:
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
    layers: Mapping[str, AdaptedLayer],
    strength_of: Callable[[AdaptedLayer], float],
    originals: dict[nn.Parameter, Tensor],
    pause: Callable[[], None],
) -> Iterator[str]:
    """Change the weights; yields the layers that are not here, do not fit or are unknown."""
    for name, stored in applied.adapter.layers.items():
        pause()
        layer = layers.get(name)
        if layer is None:
            yield name
            continue
        module, strength, weight = layer.module, strength_of(layer), layer.weight
        factors = {key: factor.to(weight.device, torch.float32) for key, factor in stored.items()}
        before = weight.data
        try:
            change = weight_delta(factors, weight.float(), applied.rank_limit)
            if change is not None:
                _shift_parameter(weight, change * strength, originals, compute_dtype(module))
            bias, shift = getattr(module, "bias", None), bias_delta(factors)
            if isinstance(bias, nn.Parameter) and shift is not None:
                shift_by = shift.reshape(bias.shape) * strength
                _shift_parameter(bias, shift_by, originals, bias.dtype)
        except (RuntimeError, IndexError, ValueError, TypeError, ArithmeticError) as error:
            if find_memory_error(error) is not None:
                raise
            weight.data = before
            yield name
            continue
        except KeyError as error:
            raise incomplete_error(applied, name, str(error.args[0])) from error
        if shift is None and change is None:
            yield name
        elif shift is not None and not isinstance(bias, nn.Parameter):
            yield f"{name}.bias"


def _shift_parameter(
    parameter: nn.Parameter,
    change: Tensor,
    originals: dict[nn.Parameter, Tensor],
    dtype: torch.dtype,
) -> None:
    originals.setdefault(parameter, parameter.data)
    parameter.data = parameter.data.to(dtype) + change.to(dtype)


def incomplete_error(applied: AppliedAdapter, name: str, lacking: str) -> ModelUnreadable:
    """For a file whose layer ``name`` lacks one of its factors."""
    return ModelUnreadable(
        f"{applied.adapter.file.name} is incomplete: its layer {name} lacks {lacking}. Copy "
        "it again"
    )
