"""The ControlNet units of one job: loading, steering, infotext, changes to finished pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from generator.control.annotators import (
    NO_PLUGIN_PREPROCESSORS,
    DrawNetworkMap,
    PluginPreprocessors,
    no_networks,
)
from generator.control.catalogue import model_of
from generator.control.controlnets import ControlNetCache
from generator.control.map_resize import Size
from generator.control.modules import find_module
from generator.control.postprocess import apply_unit_to_picture
from generator.control.prepared_unit import PreparedUnit, map_to_picture, prepare_unit
from generator.control.steering import PassContext, Steering
from generator.hires.hires_size import CELL, second_pass_size
from generator.models.index import ModelFile
from generator.models.registry import Registry
from generator.request import ControlUnit, GenerationRequest, Sampling
from generator.sampling.noise import PictureNoise
from generator.sampling.samplers import resolve_sampler
from generator.sampling.schedules import NoiseSchedule

if TYPE_CHECKING:
    from diffusers import AutoencoderKL
    from PIL.Image import Image


CALLS_OF_A_RANGE = 3  # calls in a step of DPM fast and DPM adaptive


@dataclass(frozen=True, slots=True, eq=False)
class Control:
    """The units of one job, in order."""

    units: tuple[PreparedUnit, ...]
    maps: tuple["Image", ...]  # to show after the pictures
    notes: dict[str, object]  # the infotext's keys
    seam: int  # pixels that inpaint_only's seam is soft over
    passes: int = 1  # 2 with hires fix

    def steering(
        self,
        vae: "Callable[[], AutoencoderKL]",
        sampling: Sampling,
        table: NoiseSchedule,
        noise: PictureNoise,
        large: bool,
    ) -> Steering:
        """The units in one pass; ``table`` is the checkpoint's, ``large`` hires fix's."""
        sampler, _ = resolve_sampler(sampling.sampler, sampling.schedule)
        pass_context = PassContext(
            vae=vae,
            alphas=table.input_alphas,
            data=table.data,
            calls_a_step=CALLS_OF_A_RANGE if sampler.kind == "range" else sampler.order,
            order=sampler.order,
            large=large,
            passes=self.passes,
            random=[torch.Generator().manual_seed(each.seed) for each in noise.pictures],
        )
        return Steering(self.units, pass_context)

    def finish(self, image: "Image") -> "Image":
        """A drawn picture as the units want it: kept parts, replaced brightness."""
        for ready in self.units:
            image = apply_unit_to_picture(image, ready, self.seam)
        return image


def prepare_control(
    request: GenerationRequest,
    registry: Registry,
    networks: ControlNetCache,
    say: Callable[[str], object] = str,
    plugin_preprocessors: PluginPreprocessors = NO_PLUGIN_PREPROCESSORS,
    checkpoint: ModelFile | None = None,
    draw_network_map: DrawNetworkMap = no_networks,
) -> Control | None:
    """The units of a request, loaded, their maps drawn; None where it has none.

    ``say`` hears what takes its time; ``plugin_preprocessors`` are preprocessors of plugins;
    ``checkpoint`` is the first pass's, of whose weights a Control-LoRA makes its network;
    ``draw_network_map`` runs preprocessors that are networks. Raises
    :class:`generator.errors.BadRequest` and what loading a model raises.
    """
    if not request.controls:
        return None
    units = []
    for unit in request.controls:
        file = model_of(unit, registry)
        module = find_module(unit.module)
        if file and module and module.is_image_prompt:
            ready = prepare_unit(unit, request, None, plugin_preprocessors)
            prompt = networks.image_prompts.read(module, file, registry, ready.map, say)
            units.append(replace(ready, image_prompt=prompt))
            continue
        if file and not networks.is_loaded(file, checkpoint):
            say(f"Loading weights from {file.name}")
        max_kept = request.options.control_net_model_cache_size
        network = networks.load(file, max_kept, checkpoint) if file else None
        units.append(prepare_unit(unit, request, network, plugin_preprocessors, draw_network_map))
    shown_maps = () if request.options.control_net_no_detectmap else _maps_to_show(units, request)
    notes: dict[str, object] = {
        f"ControlNet {n}": unit_notes(unit) for n, unit in enumerate(request.controls)
    }
    return Control(
        units=tuple(units),
        maps=tuple(shown_maps),
        notes=notes,
        seam=request.options.control_net_inpaint_blur_sigma,
        passes=2 if request.hires else 1,
    )


def unit_notes(unit: ControlUnit) -> str:
    """A unit as the infotext tells it; nothing where a value would break the notation."""
    facts = {
        "Module": unit.module,
        "Model": unit.model,
        "Weight": unit.weight,
        "Resize Mode": unit.resize_mode,
        "Processor Res": unit.processor_res,
        "Threshold A": unit.threshold_a,
        "Threshold B": unit.threshold_b,
        "Guidance Start": unit.guidance_start,
        "Guidance End": unit.guidance_end,
        "Pixel Perfect": unit.pixel_perfect,
        "Control Mode": unit.control_mode,
    }
    if any(mark in str(value) for value in facts.values() for mark in ",:"):
        return ""
    return ", ".join(f"{key}: {value}" for key, value in facts.items())


def _maps_to_show(units: Sequence[PreparedUnit], request: GenerationRequest) -> list["Image"]:
    """Each unit's map, that of the second pass of hires fix before that of the first.

    Of an image prompt the picture, once and whole, as it is read.
    """
    sizes = _map_sizes(request)
    shown: list[Image] = []
    for ready in units:
        if ready.unit.save_detected_map and ready.image_prompt:
            shown.append(map_to_picture(ready.map))
        elif ready.unit.save_detected_map:
            shown += [ready.answer_picture(size) for size in sizes]
    return shown


def _map_sizes(request: GenerationRequest) -> list[Size]:
    first = (request.width // CELL * CELL, request.height // CELL * CELL)
    if request.hires is None:
        return [first]
    to = second_pass_size(request.hires, request.width, request.height)
    larger = (
        (to.width // CELL - to.cut_x) * CELL,
        (to.height // CELL - to.cut_y) * CELL,
    )
    return [larger, first]
