"""The families that Easel draws with."""

import logging
from collections.abc import Iterable

from generator.models.families.architecture import Architecture, Shapes
from generator.models.families.detection import architecture_of
from generator.models.families.family import Family
from generator.models.families.sd1 import SD1
from generator.models.families.sd2 import SD2
from generator.models.families.sdxl import SDXL, SDXL_REFINER

log = logging.getLogger(__name__)
BUILT_IN = (SD1, SD2, SDXL, SDXL_REFINER)
DRAWABLE = frozenset(each for family in BUILT_IN for each in family.architectures)
"""The architectures of those families."""


def family_of(shapes: Shapes, more: Iterable[Family] = ()) -> Family | None:
    """The family of a checkpoint's tensors; ``more`` are plugins', asked first. None: no family."""
    own = next((family for family in more if _recognises(family, shapes)), None)
    return own or family_of_architecture(architecture_of(shapes))


def _recognises(family: Family, shapes: Shapes) -> bool:
    """Whether a plugin's family knows the tensors; one that fails is told of and knows none."""
    try:
        return family.recognises is not None and family.recognises(shapes)
    except Exception:  # a plugin's own: lists and other checkpoints must not suffer
        log.exception("The family %r of a plugin failed to look at a checkpoint", family.name)
        return False


def family_of_architecture(architecture: Architecture) -> Family | None:
    """The built-in family of an architecture."""
    return next((each for each in BUILT_IN if architecture in each.architectures), None)
