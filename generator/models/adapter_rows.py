"""Applies LoRA while the networks compute, each row of a batch its own; weights stay as they are.

Beside a layer its low-rank change is computed for the rows that carry it, ``y += up(down(x))``, so
that pictures with different LoRA can share one forward pass (Chen et al. 2023, "Punica"; Sheng et
al. 2023, "S-LoRA"). Changes of other kinds need the weight itself: :mod:`generator.models.adapters`
merges those, and their pictures share a pass only with pictures of the very same adapters.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from generator.memory_errors import find_memory_error
from generator.models.adapter_files import check_family
from generator.models.adapter_layers import AdaptedLayer, layers_by_kohya_name
from generator.models.adapters import AppliedAdapter, incomplete_error, remark_unused
from generator.models.checkpoint import Checkpoint
from generator.models.deltas import INPAINTING, LATENT, Factors, limit_rank, scale_of
from generator.models.half_layers import compute_dtype
from generator.models.offload import device_of

UP, MIDDLE, DOWN = "lora_up.weight", "lora_mid.weight", "lora_down.weight"
ForwardHook = Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]
EMBEDDINGS = "_embeddings_"  # in the name of a text encoder's table of vectors
LOW_RANK_FACTORS = frozenset({UP, MIDDLE, DOWN, "alpha", "scale"})


@dataclass(frozen=True, slots=True, eq=False)
class LowRankChange:
    """A layer's change as two or three small layers, strength and scale in the last."""

    down: Tensor  # (rank, in) or (rank, in, kh, kw)
    middle: Tensor | None  # (rank, rank, kh, kw) of a CP decomposition, whose others are 1x1
    up: Tensor  # (out, rank) or (out, rank, 1, 1)

    def __call__(self, layer: nn.Module, x: Tensor) -> Tensor:
        """What is added to the output of ``layer`` for its input ``x``."""
        if isinstance(layer, nn.Conv2d):
            if self.middle is None:
                small = _convolve(layer, x, self.down)
            else:
                small = _convolve(layer, functional.conv2d(x, self.down), self.middle)
            return functional.conv2d(small, self.up)
        return functional.linear(functional.linear(x, self.down), self.up)


ChangesByLayer = dict[nn.Module, dict[int, list[LowRankChange]]]  # of each set by its number


@dataclass(slots=True, eq=False)
class RowAdapters:
    """Which set of adapters each row of the coming forward passes carries."""

    rows_by_set: Mapping[int, Tensor] = field(default_factory=dict)  # numbers of rows, on the CPU
    count: int = 0

    @contextmanager
    def carry(self, sets: Sequence[int | None]) -> Iterator[None]:
        """Until the block ends, row ``i`` of every pass carries set ``sets[i]``; None: no set."""
        rows: dict[int, list[int]] = {}
        for row, number in enumerate(sets):
            if number is not None:
                rows.setdefault(number, []).append(row)
        before = self.rows_by_set, self.count
        self.rows_by_set = {number: torch.tensor(own) for number, own in rows.items()}
        self.count = len(sets)
        try:
            yield
        finally:
            self.rows_by_set, self.count = before


def fits_rows(applied_adapters: Sequence[AppliedAdapter]) -> bool:
    """Whether adapters can be applied by rows: each of their changes is of low rank.

    One that is not makes all of its prompt's be merged, for it may read what the others change.
    Tables of words are no layers that a product stands beside.
    """
    return all(
        factors.keys() <= LOW_RANK_FACTORS and EMBEDDINGS not in name
        for applied in applied_adapters
        for name, factors in applied.adapter.layers.items()
    )


@contextmanager
def apply_adapter_rows(
    checkpoint: Checkpoint,
    sets: Sequence[Sequence[AppliedAdapter]],
    pause: Callable[[], None] = lambda: None,
) -> Iterator[tuple[RowAdapters, tuple[tuple[str, ...], ...]]]:
    """Ready for passes whose rows carry one of ``sets`` each, until the block ends.

    Every set has to satisfy :func:`fits_rows`. ``pause`` is called before each layer, and may raise
    to end it. Yields what assigns the rows, and for each set a sentence about each file of which
    something fits nothing. Raises as :func:`~generator.models.adapters.apply_adapters` does.
    """
    layers = layers_by_kohya_name(checkpoint) if any(sets) else {}
    changes: ChangesByLayer = {}
    remarks: list[tuple[str, ...]] = []
    for number, applied_adapters in enumerate(sets):
        told: dict[str, None] = {}
        for applied in applied_adapters:
            check_family(applied.adapter, checkpoint.file, checkpoint.family)
            unused = [*_add_changes(applied, number, checkpoint, layers, changes, pause)]
            told |= dict.fromkeys(remark_unused(applied.adapter, unused, checkpoint))
        remarks.append(tuple(told))
    rows = RowAdapters()
    with ExitStack() as stack:
        for module, by_set in changes.items():
            handle = module.register_forward_hook(_make_hook(rows, by_set))
            stack.callback(handle.remove)
        yield rows, tuple(remarks)


def _add_changes(
    applied: AppliedAdapter,
    number: int,
    checkpoint: Checkpoint,
    layers: Mapping[str, AdaptedLayer],
    changes: ChangesByLayer,
    pause: Callable[[], None],
) -> Iterator[str]:
    """Note what an adapter of set ``number`` adds to each layer; yields the layers it misses."""
    strength_of = applied.strengths(checkpoint.family)
    device = device_of(checkpoint.unet)
    for name, factors in applied.adapter.layers.items():
        pause()
        layer = layers.get(name)
        change = None
        if layer is not None and isinstance(layer.module, nn.Linear | nn.Conv2d):
            try:
                limited = limit_rank(factors, applied.rank_limit)
                scale = scale_of(factors, len(factors[DOWN])) * strength_of(layer)
                place = (device, compute_dtype(layer.module))
                change = _to_change(limited, layer.weight, scale, *place)
            except KeyError as error:
                raise incomplete_error(applied, name, str(error.args[0])) from error
            except (RuntimeError, IndexError, ValueError, TypeError, ArithmeticError) as error:
                if find_memory_error(error) is not None:
                    raise
        if layer is None or change is None:
            yield name
        else:
            changes.setdefault(layer.module, {}).setdefault(number, []).append(change)


def _to_change(
    factors: Factors, weight: Tensor, scale: float, device: torch.device, dtype: torch.dtype
) -> LowRankChange:
    """The factors in the shapes in which a layer with such a ``weight`` applies them.

    Raises RuntimeError for factors of other sizes, KeyError where one of them is missing.
    """
    up, down, middle = factors[UP].float().flatten(1), factors[DOWN], factors.get(MIDDLE)
    inner = [1] * (weight.dim() - 2)
    outer = list(weight.shape[2:]) if middle is None else inner
    inputs = weight.shape[1]
    if inputs == INPAINTING and down.numel() == len(down) * LATENT * math.prod(outer):
        down = down.reshape(len(down), LATENT, *outer)  # made for the latent's channels alone
        rest = down.new_zeros(len(down), INPAINTING - LATENT, *outer)
        down = torch.cat([down, rest], dim=1)
    rank = len(down) if middle is None else len(middle)
    return LowRankChange(
        down.reshape(len(down), inputs, *outer).to(device, dtype),
        None if middle is None else middle.to(device, dtype),
        (up * scale).reshape(len(weight), rank, *inner).to(device, dtype),
    )


def _make_hook(rows: RowAdapters, by_set: Mapping[int, Sequence[LowRankChange]]) -> ForwardHook:
    def add_changes(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        x = inputs[0]
        if rows.rows_by_set and len(x) != rows.count:
            raise ValueError(f"A pass has {len(x)} rows; sets were assigned to {rows.count}")
        for number in rows.rows_by_set.keys() & by_set.keys():
            carriers = rows.rows_by_set[number].to(x.device)
            part = x if len(carriers) == len(x) else x[carriers]
            for change in by_set[number]:
                output = output.index_add(0, carriers, change(layer, part).to(output.dtype))
        return output

    return add_changes


def _convolve(layer: nn.Conv2d, x: Tensor, weight: Tensor) -> Tensor:
    """``x`` convolved with ``weight`` as ``layer`` would: its stride, its padding, its edges."""
    padding: tuple[int, int] | str = cast("tuple[int, int] | str", layer.padding)
    if layer.padding_mode != "zeros":
        x = functional.pad(x, layer._reversed_padding_repeated_twice, mode=layer.padding_mode)
        padding = (0, 0)
    return functional.conv2d(x, weight, None, layer.stride, padding, layer.dilation, layer.groups)
