"""Loads ControlNets from files and caches the last used ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from generator.errors import ModelUnreadable, WrongArchitecture
from generator.models.added_condition import added_arguments
from generator.models.checkpoint import Checkpoint, NetworkLoader
from generator.models.drawable import explain_missing_tensors
from generator.models.families.family import AttentionHeads
from generator.models.families.ldm import controlnet
from generator.models.families.ldm.controlnet import ControlKind
from generator.models.families.ldm.hints import read_hints
from generator.models.families.sd1 import SD1
from generator.models.families.sd2 import SD2
from generator.models.families.sdxl import SDXL
from generator.models.index import ModelFile
from generator.models.residency import Residency, ResidentKind, ram_headroom_of
from generator.models.tensor_file import rename_tensors
from generator.models.weight_sizes import bytes_of, expected_bytes
from generator.models.weights import open_tensors, shapes_of
from generator.models.yaml_files import YAML_ERRORS, read_yaml
from generator.reasons import reason_of

# After checkpoint.py, which readies torchvision for it.
from diffusers import ControlNetModel  # isort: skip

CONTROLNET = ResidentKind.CONTROLNET


HEADS: Mapping[ControlKind, AttentionHeads] = {
    ControlKind.SD1: SD1.heads,
    ControlKind.SD2: SD2.heads,
    ControlKind.SDXL: SDXL.heads,
}
"""The kinds that are steered with, and the attention heads of their families."""


@dataclass(frozen=True, slots=True, eq=False)
class ControlNet:
    """A ControlNet on its device, in evaluation mode."""

    file: ModelFile
    network: ControlNetModel
    averages_residuals: (
        bool  # residuals are averaged over the picture, and for the prompt's rows only
    )
    kind: ControlKind = ControlKind.SD1

    def predict_residuals(
        self,
        x: Tensor,
        t: Tensor,
        context: Tensor,
        hint: Tensor,
        vectors: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """What is added to the U-Net's skips and, last, to its middle; in the network's type.

        ``x`` (B,4,h,w), ``t`` (B,), ``context`` (B,L,width), ``hint`` (1,3,8h,8w) in 0..1;
        ``vectors`` (B,numbers) are the pooled text and the picture's size, for SDXL.
        """
        kind = self.network.dtype
        down, middle = self.network(
            x.to(kind),
            t,
            context.to(kind),
            hint.to(kind).expand(len(x), -1, -1, -1),
            return_dict=False,
            **added_arguments(self.network, vectors),
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


def load_controlnet(file: ModelFile, device: torch.device, dtype: torch.dtype) -> ControlNet:
    """Load ``file`` in either layout, from safetensors or a pickle of nothing but tensors.

    Raises :class:`ModelUnreadable` for a broken file and :class:`WrongArchitecture` for weights
    that are no ControlNet of a family that is drawn with.
    """
    tensors = rename_tensors(open_tensors(file.path, file.kept_in), controlnet.strip_prefix)
    tensor_shapes = shapes_of(tensors)
    kind = controlnet.kind_of(tensor_shapes)
    heads = HEADS.get(kind)
    if heads is None:
        raise WrongArchitecture(
            f"{file.name} was asked to steer as a ControlNet, but it is {kind.label}. "
            f"Easel steers with {', '.join(each.label for each in HEADS)}"
        )
    hints = read_hints(file.name, file.metadata, file.config)
    with explain_missing_tensors(file, "all tensors of a ControlNet"):
        network = NetworkLoader(file.name, tensors, device, dtype).load(
            lambda: ControlNetModel.from_config(controlnet.config_of(tensor_shapes, hints, heads)),
            controlnet.diffusers_names(tensor_shapes),
        )
    return ControlNet(file, network, _averages_residuals(file), kind)


class ControlNetCache:
    """The ControlNets of one device, kept as memory allows. Not for several threads."""

    def __init__(
        self, device: torch.device, dtype: torch.dtype, residency: Residency | None = None
    ) -> None:
        self.device = device
        self.dtype = dtype
        self._residency = residency or Residency(ram_headroom_of())

    def is_loaded(self, file: ModelFile) -> bool:
        """Whether :meth:`load` would answer without reading the disk."""
        return self._residency.peek(CONTROLNET, file) is not None

    def load(self, file: ModelFile, max_kept: int = 2) -> ControlNet:
        """``file``'s network, loaded if need be; at most ``max_kept`` stay in memory.

        Raises as :func:`load_controlnet` does.
        """
        found = self._residency.find(CONTROLNET, file)
        if found is None:
            self._residency.keep_newest(CONTROLNET, max(max_kept, 1) - 1)
            self._residency.make_room(CONTROLNET, file, expected_bytes(file, self.dtype))
            found = load_controlnet(file, self.device, self.dtype)
            self._residency.add(CONTROLNET, file, found, bytes_of(found))
        return cast(ControlNet, found)


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
