"""Loads ControlNets from files and caches the last used ones."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from generator.control import control_lora
from generator.control.control_lora import MergedTensors
from generator.control.image_prompt_files import AUTO
from generator.control.image_prompts import ImagePromptReader
from generator.errors import ModelUnreadable, WrongArchitecture
from generator.models.added_condition import added_arguments
from generator.models.checkpoint import Checkpoint, NetworkLoader
from generator.models.drawable import check_architecture, explain_missing_tensors
from generator.models.families.architecture import Shapes
from generator.models.families.family import AttentionHeads
from generator.models.families.ldm import controlnet
from generator.models.families.ldm.controlnet import ControlKind
from generator.models.families.ldm.hints import file_hints, read_hints
from generator.models.families.ldm.sizes import Hints
from generator.models.families.sd1 import SD1
from generator.models.families.sd2 import SD2
from generator.models.families.sdxl import SDXL
from generator.models.index import ModelFile
from generator.models.residency import Residency, ResidentKind, ram_headroom_of
from generator.models.tensor_file import rename_tensors
from generator.models.weight_sizes import bytes_of
from generator.models.weights import open_checkpoint, open_tensors, shapes_of
from generator.models.yaml_files import YAML_ERRORS, read_yaml
from generator.reasons import reason_of

# After checkpoint.py, which readies torchvision for it.
from diffusers import ControlNetModel, ControlNetUnionModel  # isort: skip

CONTROLNET = ResidentKind.CONTROLNET


HEADS: Mapping[ControlKind, AttentionHeads] = {
    ControlKind.SD1: SD1.heads,
    ControlKind.SD2: SD2.heads,
    ControlKind.SDXL: SDXL.heads,
    ControlKind.UNION: SDXL.heads,
}
"""The kinds that are steered with, and the attention heads of their families."""


@dataclass(frozen=True, slots=True, eq=False)
class ControlNet:
    """A ControlNet on its device, in evaluation mode."""

    file: ModelFile
    network: ControlNetModel | ControlNetUnionModel
    averages_residuals: (
        bool  # residuals are averaged over the picture, and for the prompt's rows only
    )
    kind: ControlKind = ControlKind.SD1

    @property
    def control_types(self) -> int:
        """How many kinds of maps a ControlNet Union tells apart; 0 for any other."""
        return int(self.network.config.get("num_control_type", 0))

    def predict_residuals(
        self,
        x: Tensor,
        t: Tensor,
        context: Tensor,
        hint: Tensor,
        vectors: Tensor | None = None,
        control_type: int | None = None,
    ) -> tuple[Tensor, ...]:
        """What is added to the U-Net's skips and, last, to its middle; in the network's type.

        ``x`` (B,4,h,w), ``t`` (B,), ``context`` (B,L,width), ``hint`` (1,3,8h,8w) in 0..1;
        ``vectors`` (B,numbers) are the pooled text and the picture's size, for SDXL;
        ``control_type`` is the kind of map, for a ControlNet Union.
        """
        kind = self.network.dtype
        hint = hint.to(kind).expand(len(x), -1, -1, -1)
        added = added_arguments(self.network, vectors)
        if control_type is not None:
            types = torch.zeros(len(x), self.control_types, device=x.device, dtype=kind)
            types[:, control_type] = 1
            added |= {"control_type": types, "control_type_idx": [control_type]}
        down, middle = self.network(
            x.to(kind),
            t,
            context.to(kind),
            hint if control_type is None else [hint],
            return_dict=False,
            **added,
        )
        return (*down, middle)

    def check_fits(self, checkpoint: Checkpoint) -> None:
        """Raise :class:`WrongArchitecture` unless it was made for such a U-Net."""
        sides = [
            (list(each.config.block_out_channels), each.config.cross_attention_dim)
            for each in (self.network, checkpoint.unet)
        ]
        if sides[0] != sides[1]:
            raise WrongArchitecture(
                f"The ControlNet {self.file.name} does not fit the checkpoint "
                f"{checkpoint.file.name}: it is {self.kind.label}, for a U-Net of {sides[0][0]} "
                f"channels that reads text of {sides[0][1]}; the checkpoint is "
                f"{checkpoint.family.label}, its U-Net has {sides[1][0]} and {sides[1][1]}. "
                f"Choose a ControlNet for {checkpoint.family.label}"
            )


@dataclass(frozen=True, slots=True)
class ControlSource:
    """What a ControlNet is loaded from; tensors are read when they are asked for."""

    file: ModelFile
    kind: ControlKind
    tensors: Mapping[str, Tensor]  # of the whole network, by bare names
    heads: AttentionHeads
    hints: Hints
    base: ModelFile | None = None  # the checkpoint whose weights a Control-LoRA changes

    @property
    def shapes(self) -> Shapes:
        """Name -> shape, without reading a tensor of a file."""
        if isinstance(self.tensors, MergedTensors):
            return self.tensors.shapes
        return shapes_of(self.tensors)

    def bytes_as(self, dtype: torch.dtype) -> int:
        """Bytes that the network takes."""
        return sum(map(math.prod, self.shapes.values())) * dtype.itemsize


def open_controlnet(file: ModelFile, base: ModelFile | None = None) -> ControlSource:
    """What ``file`` holds; a Control-LoRA is merged with the weights of the checkpoint ``base``.

    Raises :class:`ModelUnreadable` for a broken file and :class:`WrongArchitecture` for weights
    that are no ControlNet of a family that is drawn with.
    """
    tensors = rename_tensors(open_tensors(file.path, file.kept_in), controlnet.strip_prefix)
    kind = controlnet.kind_of(shapes_of(tensors))
    if kind is ControlKind.CONTROL_LORA and base is not None:
        return _open_control_lora(file, tensors, base)
    heads = HEADS.get(kind)
    if heads is None:
        known = ", ".join(each.label for each in (*HEADS, ControlKind.CONTROL_LORA))
        raise WrongArchitecture(
            f"{file.name} was asked to steer as a ControlNet, but it is {kind.label}. "
            f"Easel steers with {known}"
            + (f"; the module {AUTO} draws with this file" * (kind is ControlKind.IP_ADAPTER))
        )
    hints = read_hints(file.name, file.metadata, file.config)
    return ControlSource(file, kind, tensors, heads, hints)


def _open_control_lora(
    file: ModelFile, own: Mapping[str, Tensor], base: ModelFile
) -> ControlSource:
    unet = open_checkpoint(base)
    family = check_architecture(base, shapes_of(unet))
    hints = file_hints(base, family.latent)
    with explain_missing_tensors(file, "all tensors of a Control-LoRA"):
        merged = control_lora.merge(file, own, base, unet)
    return ControlSource(file, ControlKind.CONTROL_LORA, merged, family.heads, hints, base)


def load_controlnet(
    file: ModelFile, device: torch.device, dtype: torch.dtype, base: ModelFile | None = None
) -> ControlNet:
    """Load ``file`` in either layout, from safetensors or a pickle of nothing but tensors.

    Raises as :func:`open_controlnet` does.
    """
    return _build(open_controlnet(file, base), device, dtype)


def _build(source: ControlSource, device: torch.device, dtype: torch.dtype) -> ControlNet:
    file, shapes = source.file, source.shapes
    union = source.kind is ControlKind.UNION
    network_class = ControlNetUnionModel if union else ControlNetModel
    with explain_missing_tensors(file, "all tensors of a ControlNet"):
        config = controlnet.config_of(shapes, source.hints, source.heads)
        network = NetworkLoader(file.name, source.tensors, device, dtype).load(
            lambda: network_class.from_config(config), controlnet.diffusers_names(shapes)
        )
    return ControlNet(file, network, _averages_residuals(file), source.kind)


class ControlNetCache:
    """The ControlNets of one device, kept as memory allows. Not for several threads."""

    def __init__(
        self, device: torch.device, dtype: torch.dtype, residency: Residency | None = None
    ) -> None:
        self.device = device
        self.dtype = dtype
        self._residency = residency or Residency(ram_headroom_of())
        self.image_prompts = ImagePromptReader(device, dtype, self._residency)

    def is_loaded(self, file: ModelFile, base: ModelFile | None = None) -> bool:
        """Whether :meth:`load` would answer without reading the disk."""
        return any(self._residency.peek(CONTROLNET, file, each) for each in {None, base})

    def load(self, file: ModelFile, max_kept: int = 2, base: ModelFile | None = None) -> ControlNet:
        """``file``'s network, loaded if need be; at most ``max_kept`` stay in memory.

        ``base`` is the checkpoint that it steers: a Control-LoRA is another network with each.
        Raises as :func:`open_controlnet` does.
        """
        found = self._residency.find(CONTROLNET, file)
        if found is None and base is not None:
            found = self._residency.find(CONTROLNET, file, base)
        return cast(ControlNet, found) if found else self._load(file, max_kept, base)

    def _load(self, file: ModelFile, max_kept: int, base: ModelFile | None) -> ControlNet:
        self._residency.keep_newest(CONTROLNET, max(max_kept, 1) - 1)
        source = open_controlnet(file, base)
        needed = source.bytes_as(self.dtype)
        self._residency.make_room(CONTROLNET, file, needed, source.base)
        network = _build(source, self.device, self.dtype)
        self._residency.add(CONTROLNET, file, network, bytes_of(network), source.base)
        return network


def _averages_residuals(file: ModelFile) -> bool:
    """Whether the original's configuration asks for global average pooling."""
    if file.config is None:
        return "shuffle" in file.stem.lower()
    try:
        params = read_yaml(Path(file.config))["model"]["params"]
        return bool(params.get("global_average_pooling", False))
    except YAML_ERRORS as error:
        raise ModelUnreadable(
            f"{file.config.name} is no configuration of a ControlNet: {reason_of(error)}"
        ) from error
