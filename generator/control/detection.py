"""Runs a preprocessor alone: picture to map, without drawing."""

from PIL import Image

from generator.control.annotators import (
    NO_PLUGIN_PREPROCESSORS,
    DrawNetworkMap,
    PluginPreprocessors,
    annotate,
    no_networks,
)
from generator.control.inputs import read_own_input
from generator.control.prepared_unit import dials_of, map_to_picture, plugin_modules_of
from generator.control.units import known_module
from generator.request import ControlUnit


def draw_control_map(
    unit: ControlUnit,
    plugin_preprocessors: PluginPreprocessors = NO_PLUGIN_PREPROCESSORS,
    draw_network_map: DrawNetworkMap = no_networks,
) -> Image.Image:
    """The map that ``unit``'s preprocessor draws of its picture, at the preprocessor's size.

    Raises :class:`generator.errors.BadRequest` for a picture that cannot be read, and what
    ``draw_network_map`` raises.
    """
    module = known_module(
        unit.module, "controlnet_module", plugin_modules_of(unit, plugin_preprocessors)
    )
    pixels, dials = read_own_input(unit, module), dials_of(unit, module)
    return map_to_picture(annotate(module, pixels, dials, plugin_preprocessors, draw_network_map))
