"""Loads IP-Adapters: a network that makes tokens of a picture, and how a U-Net attends to them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from generator.control.image_prompt_files import read_layout
from generator.errors import WrongArchitecture
from generator.models.checkpoint import Checkpoint, NetworkLoader
from generator.models.drawable import explain_missing_tensors
from generator.models.families.ldm import ip_adapter
from generator.models.families.ldm.ip_adapter import IPAdapterLayout, ProjectionKind
from generator.models.index import ModelFile
from generator.models.weights import open_tensors, shapes_of

# After checkpoint.py, which readies torchvision for it.
from diffusers import Transformer2DModel  # isort: skip
from diffusers.models.embeddings import (  # isort: skip
    ImageProjection,
    IPAdapterFullImageProjection,
    IPAdapterPlusImageProjection,
)

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel
    from diffusers.models.attention_processor import Attention


class ImageAttention(nn.Module):
    """Keys and values of a picture's tokens for one cross-attention."""

    def __init__(self, text_width: int, width: int) -> None:
        super().__init__()
        self.to_k = nn.Linear(text_width, width, bias=False)
        self.to_v = nn.Linear(text_width, width, bias=False)


@dataclass(frozen=True, slots=True, eq=False)
class IPAdapter:
    """An IP-Adapter on its device, in evaluation mode."""

    file: ModelFile
    layout: IPAdapterLayout
    projection: (
        nn.Module
    )  # what the encoder tells (n,[patches,]image width) -> (n,tokens,text width)
    layers: nn.ModuleList  # of ImageAttention, in the order of :func:`cross_attentions`

    def check_fits(self, checkpoint: Checkpoint) -> None:
        """Raise :class:`WrongArchitecture` unless it was made for such a U-Net."""
        unet = checkpoint.unet
        own = (self.layout.text_width, list(self.layout.layer_widths))
        wanted = (
            unet.config.cross_attention_dim,
            [layer.inner_dim for _, layer in cross_attentions(unet)],
        )
        if own != wanted:
            raise WrongArchitecture(
                f"The IP-Adapter {self.file.name} does not fit the checkpoint "
                f"{checkpoint.file.name}: it is for {self.layout.base.label}, {_describe(*own)}; "
                f"the checkpoint is {checkpoint.family.label}, {_describe(*wanted)}. "
                f"Choose an IP-Adapter for {checkpoint.family.label}"
            )


def _describe(text_width: int, widths: list[int]) -> str:
    return f"with {len(widths)} cross-attentions to text of {text_width} numbers"


def cross_attentions(unet: "UNet2DConditionModel") -> list[tuple[int, "Attention"]]:
    """The layers that attend to text, in the order of an IP-Adapter's file: down, up, middle.

    Each with the number of its transformer in the order in which the U-Net computes them, which
    ``advanced_weighting`` counts by.
    """
    down, middle, up = list(unet.down_blocks), [unet.mid_block], list(unet.up_blocks)
    computed = [module for part in (*down, *middle, *up) for module in _transformers(part)]
    numbers = {id(module): number for number, module in enumerate(computed)}
    return [
        (numbers[id(transformer)], block.attn2)
        for part in (*down, *up, *middle)
        for transformer in _transformers(part)
        for block in transformer.transformer_blocks
    ]


def _transformers(part: nn.Module) -> list[Transformer2DModel]:
    return [module for module in part.modules() if isinstance(module, Transformer2DModel)]


@dataclass(frozen=True, slots=True)
class IPAdapterSource:
    """What an IP-Adapter is loaded from; tensors are read when they are asked for."""

    file: ModelFile
    tensors: Mapping[str, Tensor]
    layout: IPAdapterLayout

    def load(self, device: torch.device, dtype: torch.dtype) -> IPAdapter:
        """The networks. Raises :class:`generator.errors.ModelUnreadable` naming the file."""
        layout, shapes = self.layout, shapes_of(self.tensors)
        with explain_missing_tensors(self.file, "all tensors of an IP-Adapter"):
            projected = dict(_projection_tensors(self.tensors, layout.kind))
            projection = NetworkLoader(self.file.name, projected, device, dtype).load(
                lambda: _build_projection(layout), {name: name for name in projected}
            )
            layers = NetworkLoader(self.file.name, self.tensors, device, dtype).load(
                lambda: _build_layers(layout), _layer_names(shapes)
            )
        return IPAdapter(self.file, layout, projection, layers)


def open_ip_adapter(file: ModelFile) -> IPAdapterSource:
    """What ``file`` holds, safetensors or a pickle of nothing but tensors.

    Raises :class:`generator.errors.ModelUnreadable` for a broken file and
    :class:`WrongArchitecture` for what is no IP-Adapter, or one that reads faces.
    """
    tensors = open_tensors(file.path, file.kept_in)
    return IPAdapterSource(file, tensors, read_layout(file, shapes_of(tensors)))


def _projection_tensors(
    tensors: Mapping[str, Tensor], kind: ProjectionKind
) -> "list[tuple[str, Tensor]]":
    """The projection's tensors by diffusers' names, which has keys and values apart."""
    named: list[tuple[str, Tensor]] = []
    for name in tensors:
        if name.startswith(ip_adapter.PROJECTION):
            own = ip_adapter.projection_names(kind, name.removeprefix(ip_adapter.PROJECTION))
            named += zip(own, tensors[name].chunk(len(own)), strict=True)
    return named


def _build_projection(layout: IPAdapterLayout) -> nn.Module:
    if layout.kind is ProjectionKind.LINEAR:
        return ImageProjection(layout.image_width, layout.text_width, layout.tokens)
    if layout.kind is ProjectionKind.PERCEPTRON:
        return IPAdapterFullImageProjection(layout.image_width, layout.text_width)
    return IPAdapterPlusImageProjection(
        embed_dims=layout.image_width,
        output_dims=layout.text_width,
        hidden_dims=layout.hidden_width,
        depth=layout.depth,
        dim_head=ip_adapter.HEAD,
        heads=layout.heads,
        num_queries=layout.tokens,
        ffn_ratio=layout.widening,
    )


def _build_layers(layout: IPAdapterLayout) -> nn.ModuleList:
    return nn.ModuleList(ImageAttention(layout.text_width, width) for width in layout.layer_widths)


def _layer_names(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    return {
        f"{ip_adapter.LAYERS}{number}{end}": f"{place}.{own}.weight"
        for place, number in enumerate(ip_adapter.layer_numbers(shapes))
        for end, own in ((ip_adapter.KEY, "to_k"), (ip_adapter.VALUE, "to_v"))
    }
