"""Philox4x32-10 in software: the normal draws that CUDA's ``torch.randn`` makes, on any machine.

Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011); constants and the order of
CUDA's counters as in contract section 3.2.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (np.uint32(0x9E3779B9), np.uint32(0xBB67AE85))
_TO_UNIT = np.float32(2.3283064e-10)  # 2^-32
_TO_TURN = np.float32(2.3283064e-10 * 6.2831855)
_LOW = np.uint64(0xFFFFFFFF)

Words = npt.NDArray[np.uint32]


def _product(word: Words, multiplier: np.uint64) -> tuple[Words, Words]:
    wide = word.astype(np.uint64) * multiplier
    return (wide >> np.uint64(32)).astype(np.uint32), (wide & _LOW).astype(np.uint32)


def _ten_rounds(counter: list[Words], key: list[Words]) -> list[Words]:
    for turn in range(10):
        if turn:
            key = [k + w for k, w in zip(key, _WEYL, strict=True)]
        high0, low0 = _product(counter[0], _MULTIPLIERS[0])
        high1, low1 = _product(counter[2], _MULTIPLIERS[1])
        counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0]
    return counter


def _normal(first: Words, second: Words) -> npt.NDArray[np.float32]:
    """Box-Muller, computed in float64 as the reference does; only the sine branch is used."""
    u = first * np.float64(_TO_UNIT) + np.float64(_TO_UNIT) / 2
    v = second * np.float64(_TO_TURN) + np.float64(_TO_TURN) / 2
    return (np.sqrt(-2.0 * np.log(u)) * np.sin(v)).astype(np.float32)


@dataclass
class Philox:
    """A generator of CUDA's normal numbers. ``offset`` rises by one with each draw."""

    seed: int
    offset: int = 0

    def randn(self, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
        """Standard normal numbers of ``shape``, float32."""
        count = math.prod(shape)
        seed = self.seed & 0xFFFFFFFFFFFFFFFF
        zeros = np.zeros(count, np.uint32)
        counter = [
            zeros + np.uint32(self.offset),
            zeros,
            np.arange(count, dtype=np.uint32),
            zeros,
        ]
        key = [zeros + np.uint32(seed & 0xFFFFFFFF), zeros + np.uint32(seed >> 32)]
        self.offset += 1
        words = _ten_rounds(counter, key)
        return _normal(words[0], words[1]).reshape(shape)
