"""The size that a checkpoint draws best."""

from generator.models.families.catalog import family_of_architecture
from generator.models.index import ModelFile, trained_size

DEFAULT_SIDE = 512  # pixels, of a checkpoint that tells nothing


def native_size(checkpoint: ModelFile) -> int | None:
    """The side in pixels that it was made for: told by itself, else its family's; None: unknown."""
    family = checkpoint.architecture and family_of_architecture(checkpoint.architecture)
    return trained_size(checkpoint.metadata) or (family.default_side if family else None)


def preferred_size(checkpoint: ModelFile | None) -> int:
    """The same, or what most are made for."""
    return (native_size(checkpoint) if checkpoint else None) or DEFAULT_SIDE
