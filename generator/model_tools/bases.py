"""Which base models adapters need, and which checkpoints are of that base. No torch."""

import time
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from generator.errors import ModelUnreadable
from generator.models.adapter_names import architecture_of_keys
from generator.models.embedding_facts import read_shapes
from generator.models.families.architecture import (
    PARTS,
    Architecture,
    Shapes,
    architecture_by_context_width,
)
from generator.models.index import Identity, ModelFile
from generator.models.kinds import ModelKind
from generator.models.trainer_notes import noted_architecture

CONTEXT_LAYERS = ("attn2.to_k", "attn2_to_k", "to_k_ip")
CONTEXT_FACTORS = (
    ".to_k_ip.weight",
    ".lora_down.weight",
    ".lora_A.weight",
    ".hada_w1_b",
    ".lokr_w2_b",
    ".diff",
)
"""Ends of the tensors whose last side is as wide as the text that the layer reads."""
BASES: Mapping[Architecture, Architecture] = MappingProxyType(
    {
        Architecture.SD1_INPAINTING: Architecture.SD1,
        Architecture.SD1_EDITING: Architecture.SD1,
        Architecture.SD2_INPAINTING: Architecture.SD2,
        Architecture.SD2_DEPTH: Architecture.SD2,
        Architecture.SDXL_INPAINTING: Architecture.SDXL,
        Architecture.SDXL_EDITING: Architecture.SDXL,
        Architecture.PLAYGROUND: Architecture.SDXL,
        Architecture.COSXL: Architecture.SDXL,
        Architecture.SD35_MEDIUM: Architecture.SD3,
        Architecture.SD35_LARGE: Architecture.SD3,
        Architecture.FLUX_DEV: Architecture.FLUX,
        Architecture.FLUX_SCHNELL: Architecture.FLUX,
        Architecture.FLUX_FILL: Architecture.FLUX,
        Architecture.FLUX_CONTROL: Architecture.FLUX,
        Architecture.CHROMA: Architecture.FLUX,
    }
)
"""Kin that share their adapters, by the one that stands for all."""


class BaseReader:
    """Tells the base of checkpoints and adapters, reading each file once.

    Headers of thousands of files take a while, so they are read by :meth:`read_some`.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._known: dict[Identity, Architecture | None] = {}
        self._clock = clock

    def base_of(self, file: ModelFile) -> Architecture | None:
        """What a checkpoint is, or an adapter was made for; None where that is not told, or not
        read yet.
        """
        if file.kind is ModelKind.CHECKPOINT:
            return _base(file.architecture)
        return noted_architecture(file.metadata) or self._known.get(file.identity)

    def read_some(self, files: Iterable[ModelFile], seconds: float) -> int:
        """Read the headers of adapters that do not name their base, for so long; how many are
        left.
        """
        unread = [
            file
            for file in files
            if file.identity not in self._known and noted_architecture(file.metadata) is None
        ]
        until = self._clock() + seconds
        for count, file in enumerate(unread):
            if self._clock() >= until:
                return len(unread) - count
            self._known[file.identity] = _read_base(file)
        return 0

    def forget_others(self, identities: frozenset[Identity]) -> None:
        """Keep what was read of these files alone."""
        self._known = {key: base for key, base in self._known.items() if key in identities}


def base_of_adapter(shapes: Shapes) -> Architecture | None:
    """The architecture that an adapter was made for; None where names and sizes do not tell."""
    architecture = architecture_of_keys(shapes)
    if architecture is None:
        widths = (
            shape[-1]
            for name, shape in shapes.items()
            if shape
            and any(layer in name for layer in CONTEXT_LAYERS)
            and name.endswith(CONTEXT_FACTORS)
        )
        width = next(widths, 0)
        architecture = architecture_by_context_width(width) if width else None
    return _base(architecture)


def _read_base(file: ModelFile) -> Architecture | None:
    try:
        return base_of_adapter(read_shapes(file))
    except (ModelUnreadable, OSError):
        return None


def _base(architecture: Architecture | None) -> Architecture | None:
    if architecture is None or architecture in PARTS:
        return None
    return BASES.get(architecture, architecture)
