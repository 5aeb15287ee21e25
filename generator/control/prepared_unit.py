"""A ControlNet unit prepared for a job: its map, resized for every pass of the job."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from generator.control.annotators import (
    NO_PLUGIN_PREPROCESSORS,
    Dials,
    DrawNetworkMap,
    PluginPreprocessors,
    annotate,
    no_networks,
    plugin_module,
)
from generator.control.control_types import CONTROL_TYPES, control_type_of
from generator.control.controlnets import ControlNet
from generator.control.image_prompts import ImagePrompt
from generator.control.inputs import read_input
from generator.control.map_resize import Pixels, Size, fit_map, perfect_resolution
from generator.control.modules import Module
from generator.control.units import CONTROLNET_FIELD, effective_number
from generator.errors import BadRequest
from generator.models.families.ldm.controlnet import ControlKind
from generator.pictures.base64_images import read_base64
from generator.request import ControlUnit, GenerationRequest, Seeds

LATENT_MODULES = ("reference", "tile_colorfix", "inpaint_only")


@dataclass(frozen=True, slots=True, eq=False)
class PreparedUnit:
    """A unit with what it steers by. Sizes are (width, height) in pixels."""

    unit: ControlUnit
    module: Module  # the one that really runs
    map: Pixels  # (H,W,3|4) as the preprocessor drew it
    resize_mode: str
    control: ControlNet | None  # None steers by attention alone
    region: Tensor | None = None  # (1,1,H,W) in 0..1, where the unit acts
    control_type: int | None = None  # kind of map, for a ControlNet Union
    image_prompt: ImagePrompt | None = None  # of an IP-Adapter
    fitted_maps: dict[Size, Pixels] = field(default_factory=dict)

    @property
    def needs_latent(self) -> bool:
        """Whether its picture goes through the VAE."""
        return self.module.name.startswith(LATENT_MODULES)

    def map_at(self, size: Size) -> Pixels:
        """The map at ``size``, (H,W,3|4)."""
        if size not in self.fitted_maps:
            self.fitted_maps[size] = fit_map(self.map, size, self.resize_mode)
        return self.fitted_maps[size]

    def hint_at(self, size: Size) -> Tensor:
        """What the ControlNet reads, (1,3,H,W): 0..1, and -1 where to repaint (Union: 0)."""
        colours = _to_tensor(self.map_at(size)[..., :3])
        if not self.module.reads_mask:
            return colours
        mask = self.mask_at(size)
        kept = colours * (1 - mask)
        return kept - mask if self.control_type is None else kept

    def mask_at(self, size: Size) -> Tensor:
        """1 where to repaint, (1,1,H,W)."""
        return (_to_tensor(self.map_at(size)[..., 3:]) > 0.5).float()

    def picture_at(self, size: Size) -> Image.Image:
        """The map without its mask."""
        return Image.fromarray(np.ascontiguousarray(self.map_at(size)[..., :3]))

    def answer_picture(self, size: Size) -> Image.Image:
        """The map as the answer shows it."""
        return map_to_picture(self.map_at(size))


def prepare_unit(
    unit: ControlUnit,
    request: GenerationRequest,
    control: ControlNet | None,
    plugin_preprocessors: PluginPreprocessors = NO_PLUGIN_PREPROCESSORS,
    draw_network_map: DrawNetworkMap = no_networks,
) -> PreparedUnit:
    """Read the unit's picture and draw its map. Raises :class:`generator.errors.BadRequest`."""
    unit_input = read_input(unit, request, plugin_modules_of(unit, plugin_preprocessors))
    size = (request.width // 8 * 8, request.height // 8 * 8)
    dials = dials_of(unit, unit_input.module, request.seeds)
    if unit.pixel_perfect:
        resolution = perfect_resolution(unit_input.pixels, size, unit_input.resize_mode)
        dials = replace(dials, resolution=resolution)
    module, pixels = unit_input.module, unit_input.pixels
    return PreparedUnit(
        unit=unit,
        module=module,
        map=annotate(module, pixels, dials, plugin_preprocessors, draw_network_map),
        resize_mode=unit_input.resize_mode,
        control=control,
        region=_read_region(unit, size, unit_input.resize_mode),
        control_type=_control_type(unit, module, control),
    )


def _control_type(unit: ControlUnit, module: Module, control: ControlNet | None) -> int | None:
    """The kind of map that a ControlNet Union is told; None for any other."""
    if control is None or control.kind is not ControlKind.UNION:
        return None
    number, count = control_type_of(unit.union_control_type, module), control.control_types
    if number is not None and number < count:
        return number
    wanted = "no kind is named" if number is None else f"{CONTROL_TYPES[number]} is not among them"
    raise BadRequest(
        f"{CONTROLNET_FIELD}: {control.file.name} is a ControlNet Union for {count} kinds of maps; "
        f"{wanted} (module {unit.module}). Send union_control_type: one of "
        f"{', '.join(CONTROL_TYPES[:count])}",
        CONTROLNET_FIELD,
    )


def plugin_modules_of(
    unit: ControlUnit, plugin_preprocessors: PluginPreprocessors
) -> dict[str, Module]:
    """The plugins' preprocessors, each as this unit would set it."""
    return {name: plugin_module(name, unit.processor_res) for name in plugin_preprocessors}


def dials_of(unit: ControlUnit, module: Module, seeds: Seeds | None = None) -> Dials:
    """How the unit sets its preprocessor; what the preprocessor cannot take is its default."""
    return Dials(
        resolution=float(effective_number(module.resolution_slider, unit.processor_res)),
        a=float(effective_number(module.a, unit.threshold_a)),
        b=float(effective_number(module.b, unit.threshold_b)),
        seed=seeds.seed + seeds.variation_seed if seeds else 0,
    )


def map_to_picture(map: Pixels) -> Image.Image:
    """A map as a picture; what its mask wants repainted is half transparent."""
    if map.shape[2] == 4:
        map = np.dstack([map[..., :3], 255 - map[..., 3] // 2])
    return Image.fromarray(np.ascontiguousarray(map))


def _read_region(unit: ControlUnit, size: Size, mode: str) -> Tensor | None:
    if unit.effective_region_mask is None:
        return None
    grey = read_base64(unit.effective_region_mask, CONTROLNET_FIELD).convert("L")
    return _to_tensor(fit_map(np.dstack([np.asarray(grey, np.uint8)] * 3), size, mode)[..., :1])


def _to_tensor(pixels: Pixels) -> Tensor:
    """(H,W,C) of 8 bits -> (1,C,H,W) in 0..1."""
    rows = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None]
    return rows.float() / 255
