"""Kinds of control that a ControlNet Union tells apart (xinsir 2024), by number. No torch.

One network reads every kind of map and is told which it gets. Its first releases know six kinds,
the later ones eight.
"""

from collections.abc import Mapping
from types import MappingProxyType

from generator.control.modules import Module

UNKNOWN = "Unknown"
CONTROL_TYPES = (
    "OpenPose",
    "Depth",
    "Soft Edge",  # scribbles, too
    "Hard Edge",
    "Normal Map",
    "Segmentation",
    "Tile",
    "Inpaint",
)
"""The extension's words for ``union_control_type``; a word's place is the kind's number."""
NUMBER_BY_TAG: Mapping[str, int] = MappingProxyType(
    {
        "OpenPose": 0,
        "Depth": 1,
        "SoftEdge": 2,
        "Scribble": 2,
        "Canny": 3,
        "Lineart": 3,
        "MLSD": 3,
        "NormalMap": 4,
        "Segmentation": 5,
        "Tile": 6,
        "Inpaint": 7,
    }
)


def control_type_of(named: str, module: Module) -> int | None:
    """The number of the kind ``named``, else of the maps of ``module``; None where none says it."""
    if named != UNKNOWN:
        return CONTROL_TYPES.index(named)
    return next((NUMBER_BY_TAG[tag] for tag in module.tags if tag in NUMBER_BY_TAG), None)
