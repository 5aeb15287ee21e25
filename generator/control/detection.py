"""Runs a preprocessor alone: picture to map, without drawing."""

from PIL import Image

from generator.control.annotators import NO_PLUGIN_PREPROCESSORS, PluginPreprocessors, annotate
from generator.control.inputs import read_own_input
from generator.control.prepared_unit import dials_of, map_to_picture, plugin_modules_of
from generator.control.units import known_module
from generator.request import ControlUnit


def draw_control_map(
    unit: ControlUnit, plugin_preprocessors: PluginPreprocessors = NO_PLUGIN_PREPROCESSORS
) -> Image.Image:
    """The map that ``unit``'s preprocessor draws of its picture, at the preprocessor's size.

    Raises :class:`generator.errors.BadRequest` for a picture that cannot be read.
    """
    module = known_module(
        unit.module, "controlnet_module", plugin_modules_of(unit, plugin_preprocessors)
    )
    return map_to_picture(
        annotate(module, read_own_input(unit, module), dials_of(unit, module), plugin_preprocessors)
    )
