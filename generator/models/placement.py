"""How much of a checkpoint is on a graphics card at once. No torch."""

from enum import StrEnum


class Placement(StrEnum):
    """What of a checkpoint is on a graphics card at once."""

    WHOLE = "whole"
    COMPONENTS = "components"  # --medvram: text encoder, U-Net or VAE
    BLOCKS = "blocks"  # --lowvram: of the U-Net one block
