"""Loads what is not in memory yet, after others have made room for it by bytes."""

from collections.abc import Callable
from typing import TypeVar, cast

import torch

from generator.models.index import ModelFile
from generator.models.residency import Residency, ResidentKind
from generator.models.weight_sizes import bytes_of, expected_bytes

Loaded = TypeVar("Loaded")


def load_resident(
    residency: Residency,
    kind: ResidentKind,
    file: ModelFile,
    load: Callable[[], Loaded],
    dtype: torch.dtype = torch.float32,
    device: torch.device | None = None,
    size_of: Callable[[Loaded], int] = bytes_of,
) -> Loaded:
    """What ``load`` makes of ``file``, now in use; it is called where memory does not hold that.

    ``dtype`` is what its weights become; ``device`` where large ones may stay narrower, see
    :func:`expected_bytes`; ``size_of`` tells the bytes of what was loaded. Raises what ``load``
    raises.
    """
    known = residency.find(kind, file)
    if known is not None:
        return cast(Loaded, known)
    residency.make_room(kind, file, expected_bytes(file, dtype, device))
    loaded = load()
    residency.add(kind, file, loaded, size_of(loaded))
    return loaded
