"""Files among checkpoints that are of another kind, and the folders they belong in. No torch."""

from collections.abc import Mapping
from types import MappingProxyType

from generator.models.families.architecture import IP_ADAPTERS, Architecture
from generator.models.index import ModelFile
from generator.models.kinds import FOLDERS_BY_KIND, ModelKind

KINDS: Mapping[Architecture, ModelKind] = MappingProxyType(
    {
        Architecture.LORA: ModelKind.LORA,
        Architecture.VAE: ModelKind.VAE,
        Architecture.EMBEDDING: ModelKind.EMBEDDING,
        Architecture.CONTROLNET: ModelKind.CONTROLNET,
        **dict.fromkeys(IP_ADAPTERS, ModelKind.CONTROLNET),
    }
)
"""The kind whose folder takes files of that architecture."""


def right_folder(architecture: Architecture | None) -> str:
    """The folder for what is no checkpoint, ``models/Lora``; "" for checkpoints and the unknown."""
    kind = KINDS.get(architecture) if architecture else None
    return FOLDERS_BY_KIND[kind].created[0] if kind else ""


def right_folder_of(file: ModelFile) -> str:
    """The folder that a file listed as a checkpoint belongs in; "" where it lies in its own."""
    return right_folder(file.architecture) if file.kind is ModelKind.CHECKPOINT else ""
