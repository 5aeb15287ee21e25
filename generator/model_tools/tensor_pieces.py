"""The numbers of an output tensor, piece by piece: copied, cast or merged. The only torch here."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from generator.errors import BadRequest
from generator.model_tools.plan import OutputTensor, TensorPart
from generator.model_tools.recipes import MergeMode
from generator.model_tools.sources import SourceModel
from generator.models.header import BITS

PIECE_NUMBERS = 1 << 20  # numbers computed at once: 4 MiB in fp32 for each of A, B and C
PIECE_BYTES = 1 << 23  # copied at once
LEAST_BEYOND_FP16 = 65520.0  # what is rounded to fp16's infinity
TORCH_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
}

Merge = Callable[[Sequence[Tensor]], Tensor]


def merge_of(mode: MergeMode, multiplier: float) -> Merge:
    """AUTOMATIC1111's formula of a mode: ``A (1 - M) + B M``, or ``A + M (B - C)``.

    It computes in the memory of its parts.
    """
    if mode is MergeMode.ADD_DIFFERENCE:
        return lambda parts: parts[1].sub_(parts[2]).mul_(multiplier).add_(parts[0])
    return lambda parts: parts[0].mul_(1 - multiplier).add_(parts[1].mul_(multiplier))


@dataclass(slots=True)
class PieceMaker:
    """Makes the bytes of output tensors out of the open files; counts what is not a number."""

    sources: Sequence[SourceModel]
    merge: Merge
    faulty: int = 0  # tensors with NaN

    def pieces(self, tensor: OutputTensor) -> Iterator[memoryview]:
        """The bytes of a tensor in order; each piece is to be written before the next is asked.

        Raises :class:`BadRequest` where fp16 is too small for a number, and as
        :meth:`SourceModel.read`.
        """
        first = tensor.parts[0].entry
        if len(tensor.parts) == 1 and first.dtype == tensor.dtype:
            yield from self._copy(tensor.parts[0])
        elif all(part.entry.shape == first.shape for part in tensor.parts):
            yield from self._compute(tensor)
        else:
            yield self._widen(tensor)

    def _copy(self, part: TensorPart) -> Iterator[memoryview]:
        size = part.entry.end - part.entry.begin
        buffer = memoryview(bytearray(min(size, PIECE_BYTES)))
        for begin in range(0, size, PIECE_BYTES):
            piece = buffer[: min(PIECE_BYTES, size - begin)]
            self.sources[part.source].read(part.entry, begin, piece)
            yield piece

    def _compute(self, tensor: OutputTensor) -> Iterator[memoryview]:
        """Merged, or cast alone, in fp32 (fp64 where A is)."""
        count, has_nan = math.prod(tensor.shape), False
        for begin in range(0, count, PIECE_NUMBERS):
            length = min(PIECE_NUMBERS, count - begin)
            parts = [self._numbers(part, begin, length) for part in tensor.parts]
            merged = self.merge(parts) if len(parts) > 1 else parts[0]
            lowest, highest = extremes(merged)
            has_nan = has_nan or math.isnan(lowest)
            check_range(lowest, highest, tensor)
            yield to_bytes(merged, tensor)
        self.faulty += has_nan

    def _widen(self, tensor: OutputTensor) -> memoryview:
        """The first convolution of an inpainting model: B changes the channels that it has."""
        parts = [
            self._numbers(part, 0, math.prod(part.entry.shape)).view(part.entry.shape)
            for part in tensor.parts
        ]
        channels = min(part.shape[1] for part in parts)
        merged = parts[0].clone()
        merged[:, :channels] = self.merge([part[:, :channels] for part in parts])
        lowest, highest = extremes(merged)
        self.faulty += math.isnan(lowest)
        check_range(lowest, highest, tensor)
        return to_bytes(merged.flatten(), tensor)

    def _numbers(self, part: TensorPart, begin: int, length: int) -> Tensor:
        width = BITS[part.entry.dtype] // 8
        buffer = bytearray(length * width)
        self.sources[part.source].read(part.entry, begin * width, memoryview(buffer))
        numbers = torch.frombuffer(buffer, dtype=TORCH_DTYPES[part.entry.dtype])
        return numbers if part.entry.dtype == "F64" else numbers.float()


def extremes(numbers: Tensor) -> tuple[float, float]:
    """The least and the greatest number; both NaN where any is. One look, which tells both."""
    lowest, highest = numbers.aminmax()
    return float(lowest), float(highest)


def check_range(lowest: float, highest: float, tensor: OutputTensor) -> None:
    """Refuse finite numbers that fp16 cannot hold. Raises :class:`BadRequest`."""
    largest = max(abs(lowest), abs(highest))
    if tensor.dtype == "F16" and largest >= LEAST_BEYOND_FP16 and math.isfinite(largest):
        raise BadRequest(
            f"precision: {tensor.name} has numbers beyond 65504, which fp16 cannot hold; take bf16 "
            "or fp32",
            "precision",
        )


def to_bytes(numbers: Tensor, tensor: OutputTensor) -> memoryview:
    """Numbers in the type that is written."""
    return numbers.to(TORCH_DTYPES[tensor.dtype]).contiguous().view(torch.uint8).numpy().data
