"""Companions of the default checkpoint: small files that show what users may add to a checkpoint.

Two LoRAs, a learned word and a ControlNet, each trained on the shipped weights from drawings:
``python -m training.companions``. The first start copies those that are here
beside the checkpoint. No torch in this module: the web process reads the table.
"""

from collections.abc import Mapping
from types import MappingProxyType

from generator.models.kinds import ModelKind

STYLE = "easel-blueprint.safetensors"
OBJECT = "easel-snail.safetensors"
WORD = "easel-winternight.pt"
EDGES = "easel-canny.safetensors"

SHELF: Mapping[str, ModelKind] = MappingProxyType(
    {
        STYLE: ModelKind.LORA,
        OBJECT: ModelKind.LORA,
        WORD: ModelKind.EMBEDDING,
        EDGES: ModelKind.CONTROLNET,
    }
)
LIMIT = 2_000_000  # bytes of each
