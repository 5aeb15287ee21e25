"""A ControlNet unit prepared for a job: its map, resized for every pass of the job."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from generator.control.annotators import NOTHING_BROUGHT, Brought, Dials, annotate, brought_module
from generator.control.fitting import Pixels, Size, fit, perfect_resolution
from generator.control.inputs import read_input
from generator.control.modules import Module
from generator.control.network import ControlNet
from generator.control.units import PLACE, settle
from generator.pictures.reading import read_base64
from generator.request import ControlUnit, GenerationRequest, Seeds

LATENT_MODULES = ("reference", "tile_colorfix", "inpaint_only")


@dataclass(frozen=True, slots=True, eq=False)
class ReadyUnit:
    """A unit with what it steers by. Sizes are (width, height) in pixels."""

    unit: ControlUnit
    module: Module  # the one that really runs
    map: Pixels  # (H,W,3|4) as the preprocessor drew it
    resize_mode: str
    control: ControlNet | None  # None steers by attention alone
    region: Tensor | None = None  # (1,1,H,W) in 0..1, where the unit acts
    fits: dict[Size, Pixels] = field(default_factory=dict)

    @property
    def needs_latent(self) -> bool:
        """Whether its picture goes through the VAE."""
        return self.module.name.startswith(LATENT_MODULES)

    def fitted(self, size: Size) -> Pixels:
        """The map at ``size``, (H,W,3|4)."""
        if size not in self.fits:
            self.fits[size] = fit(self.map, size, self.resize_mode)
        return self.fits[size]

    def hint(self, size: Size) -> Tensor:
        """What the ControlNet reads, (1,3,H,W): 0..1, and -1 where to repaint."""
        colours = _tensor(self.fitted(size)[..., :3])
        mask = self.mask(size)
        return colours * (1 - mask) - mask if self.module.inpaints else colours

    def mask(self, size: Size) -> Tensor:
        """1 where to repaint, (1,1,H,W)."""
        return (_tensor(self.fitted(size)[..., 3:]) > 0.5).float()

    def picture(self, size: Size) -> Image.Image:
        """The map without its mask."""
        return Image.fromarray(np.ascontiguousarray(self.fitted(size)[..., :3]))

    def shown(self, size: Size) -> Image.Image:
        """The map as the answer shows it."""
        return shown(self.fitted(size))


def make_ready(
    unit: ControlUnit,
    request: GenerationRequest,
    control: ControlNet | None,
    brought: Brought = NOTHING_BROUGHT,
) -> ReadyUnit:
    """Read the unit's picture and draw its map. Raises :class:`generator.errors.BadRequest`."""
    given = read_input(unit, request, modules_of(unit, brought))
    size = (request.width // 8 * 8, request.height // 8 * 8)
    dials = dials_of(unit, given.module, request.seeds)
    if unit.pixel_perfect:
        resolution = perfect_resolution(given.pixels, size, given.resize_mode)
        dials = replace(dials, resolution=resolution)
    return ReadyUnit(
        unit=unit,
        module=given.module,
        map=annotate(given.module, given.pixels, dials, brought),
        resize_mode=given.resize_mode,
        control=control,
        region=_region(unit, size, given.resize_mode),
    )


def modules_of(unit: ControlUnit, brought: Brought) -> dict[str, Module]:
    """The plugins' preprocessors, each as this unit would set it."""
    return {name: brought_module(name, unit.processor_res) for name in brought}


def dials_of(unit: ControlUnit, module: Module, seeds: Seeds | None = None) -> Dials:
    """How the unit sets its preprocessor; what the preprocessor cannot take is its default."""
    return Dials(
        resolution=float(settle(module.resolution_slider, unit.processor_res)),
        a=float(settle(module.a, unit.threshold_a)),
        b=float(settle(module.b, unit.threshold_b)),
        seed=seeds.seed + seeds.variation_seed if seeds else 0,
    )


def shown(map: Pixels) -> Image.Image:
    """A map as a picture; what its mask wants repainted is half transparent."""
    if map.shape[2] == 4:
        map = np.dstack([map[..., :3], 255 - map[..., 3] // 2])
    return Image.fromarray(np.ascontiguousarray(map))


def _region(unit: ControlUnit, size: Size, mode: str) -> Tensor | None:
    if unit.effective_region_mask is None:
        return None
    grey = read_base64(unit.effective_region_mask, PLACE).convert("L")
    return _tensor(fit(np.dstack([np.asarray(grey, np.uint8)] * 3), size, mode)[..., :1])


def _tensor(pixels: Pixels) -> Tensor:
    """(H,W,C) of 8 bits -> (1,C,H,W) in 0..1."""
    rows = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)[None]
    return rows.float() / 255
