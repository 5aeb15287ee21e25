"""OpenCLIP's text encoder in transformers' names.

Query, key and value come apart, the projection is transposed. Works on shapes
and on tensors alike: ``split`` and ``turn`` say what is done to each.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

from generator.models.families.architecture import Shapes
from generator.models.families.family import Family, TextEncoderSpec, TextLayout

T = TypeVar("T")

PARTS = ("q_proj", "k_proj", "v_proj")
BLOCKS = "transformer.resblocks."
LAYER = {
    "attn.out_proj": "self_attn.out_proj",
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
ENDS = {
    "positional_embedding": "embeddings.position_embedding.weight",
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "ln_final.weight": "final_layer_norm.weight",
    "ln_final.bias": "final_layer_norm.bias",
}
UNUSED = ("logit_scale", "attn_mask")  # of contrastive training; the causal mask


def rename_open_clip(
    tensors: Mapping[str, T],
    spec: TextEncoderSpec,
    split: Callable[[T], tuple[T, T, T]],
    turn: Callable[[T], T],
) -> dict[str, T]:
    """``tensors`` with those of ``spec``'s encoder by transformers' names, below its prefix.

    An encoder in transformers' names, and one that is not there, stay as they are.
    """
    if spec.layout is not TextLayout.OPEN_CLIP:
        return dict(tensors)
    renamed: dict[str, T] = {}
    for name, tensor in tensors.items():
        own = name.removeprefix(spec.prefix)
        if own == name:
            renamed[name] = tensor
        elif own.startswith(BLOCKS):
            renamed |= {
                f"{spec.prefix}{new}": part for new, part in _layer(own, tensor, split).items()
            }
        elif own == "text_projection":
            renamed[f"{spec.prefix}text_projection.weight"] = turn(tensor)
        elif own not in UNUSED:
            renamed[spec.prefix + ENDS.get(own, own)] = tensor
    return renamed


def rename_shapes(shapes: Shapes, family: Family) -> Shapes:
    """``shapes`` with those of all OpenCLIP encoders of ``family`` by transformers' names."""
    for spec in family.text_encoders:
        shapes = rename_open_clip(shapes, spec, _split_shape, lambda shape: shape[::-1])
    return shapes


def _split_shape(
    shape: tuple[int, ...],
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    part = (shape[0] // 3, *shape[1:])
    return part, part, part


def _layer(own: str, tensor: T, split: Callable[[T], tuple[T, T, T]]) -> dict[str, T]:
    number, _, rest = own.removeprefix(BLOCKS).partition(".")
    stem = f"encoder.layers.{number}"
    if rest.startswith("attn.in_proj_"):
        kind = rest.removeprefix("attn.in_proj_")  # weight | bias
        parts = zip(PARTS, split(tensor), strict=True)
        return {f"{stem}.self_attn.{part}.{kind}": value for part, value in parts}
    head, _, kind = rest.rpartition(".")
    return {f"{stem}.{LAYER.get(head, head)}.{kind}": tensor}
