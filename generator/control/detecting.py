"""A preprocessor by itself: from a picture to its map, without drawing anything."""

from PIL import Image

from generator.control.annotators import NOTHING_BROUGHT, Brought, annotate
from generator.control.inputs import given_input
from generator.control.ready import dials_of, modules_of, shown
from generator.control.units import known_module
from generator.request import ControlUnit


def detect(unit: ControlUnit, brought: Brought = NOTHING_BROUGHT) -> Image.Image:
    """The map that ``unit``'s preprocessor draws of its picture, at the preprocessor's size.

    Raises :class:`generator.errors.BadRequest` for a picture that cannot be read.
    """
    module = known_module(unit.module, "controlnet_module", modules_of(unit, brought))
    return shown(annotate(module, given_input(unit, module), dials_of(unit, module), brought))
