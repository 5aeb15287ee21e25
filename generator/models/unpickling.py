"""Reads checkpoints that carry more than tensors, without running anything of theirs.

torch's own safe reader refuses a file that names a class it does not know. The first Stable
Diffusion checkpoints name some of their trainer (callbacks, numpy's numbers) beside their tensors.
"""

import pickle
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import torch
from torch import _utils, nn

from generator.models.pickles import Inert

KNOWN = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch", "Size"): torch.Size,
    ("torch.nn.modules.container", "ParameterDict"): nn.ParameterDict,
    **{
        ("torch._utils", name): getattr(_utils, name)
        for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")
    },
    **{
        ("torch", storage.__name__): storage
        for storage in (
            torch.DoubleStorage, torch.FloatStorage, torch.HalfStorage, torch.BFloat16Storage,
            torch.LongStorage, torch.IntStorage, torch.ShortStorage, torch.CharStorage,
            torch.ByteStorage, torch.BoolStorage,
        )
    },
}  # fmt: skip
"""What may be made as itself: holders of numbers. All else becomes an :class:`Inert`."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        return KNOWN.get((module, name), Inert)


def load_inertly(path: Path) -> object:
    """What ``torch.save`` wrote, on the CPU; objects of unknown classes do nothing.

    Raises what ``torch.load`` raises for a damaged file.
    """
    reading = ModuleType("inert_pickle")  # torch asks for a module with these two
    reading.Unpickler = _Reader  # type: ignore[attr-defined]
    reading.load = _load  # type: ignore[attr-defined]
    return torch.load(path, map_location="cpu", pickle_module=reading, weights_only=False)


def _load(file: BinaryIO, **options: Any) -> object:
    return _Reader(file, **options).load()
