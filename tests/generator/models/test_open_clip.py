"""OpenCLIP's tensors by transformers' names: none is lost, query, key and value come apart."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from generator.models.families.family import Family, TextEncoderSpec, TextLayout
from generator.models.families.ldm.open_clip import rename_open_clip, rename_shapes
from generator.models.families.sd1 import SD1
from generator.models.families.sd2 import SD2
from generator.models.families.sdxl import CLIP_L, SDXL, SDXL_REFINER
from tests.generator.models.ldm_shapes import clip_shapes, open_clip_shapes

WIDTH = 8
BIG_G = SDXL.text_encoders[1]
OPEN_CLIP = [(SD2, 0), (SDXL, 1), (SDXL_REFINER, 0)]


def split(tensor: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    query, key, value = tensor.chunk(3)
    return query, key, value


def toy(spec: TextEncoderSpec) -> dict[str, Tensor]:
    numbers = torch.Generator().manual_seed(3)
    shapes = open_clip_shapes(spec.prefix, WIDTH, 2, words=11)
    return {name: torch.randn(shape, generator=numbers) for name, shape in shapes.items()}


def renamed(tensors: dict[str, Tensor], spec: TextEncoderSpec = BIG_G) -> dict[str, Tensor]:
    found = rename_open_clip(tensors, spec, split, lambda tensor: tensor.T)
    return {name.removeprefix(spec.prefix): tensor for name, tensor in found.items()}


def test_query_key_and_value_join_to_what_they_were() -> None:
    tensors = toy(BIG_G)
    new = renamed(tensors)
    for layer in (0, 1):
        for kind in ("weight", "bias"):
            stem = f"encoder.layers.{layer}.self_attn"
            joined = torch.cat([new[f"{stem}.{part}_proj.{kind}"] for part in "qkv"])
            old = f"{BIG_G.prefix}transformer.resblocks.{layer}.attn.in_proj_{kind}"
            assert torch.equal(joined, tensors[old])


def test_the_projection_is_turned_and_other_weights_are_not() -> None:
    tensors = toy(BIG_G)
    new = renamed(tensors)
    assert torch.equal(new["text_projection.weight"].T, tensors[f"{BIG_G.prefix}text_projection"])
    stem = f"{BIG_G.prefix}transformer.resblocks.1"
    for old, own in (
        ("attn.out_proj", "self_attn.out_proj"), ("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2"),
        ("ln_1", "layer_norm1"), ("ln_2", "layer_norm2"),
    ):  # fmt: skip
        for kind in ("weight", "bias"):
            found = new[f"encoder.layers.1.{own}.{kind}"]
            assert torch.equal(found, tensors[f"{stem}.{old}.{kind}"])


@pytest.mark.parametrize(("family", "place"), OPEN_CLIP)
def test_the_names_are_those_of_transformers(family: Family, place: int) -> None:
    spec = family.text_encoders[place]
    names = set(renamed(toy(spec), spec)) - {"text_projection.weight"}
    assert names == set(clip_shapes("", WIDTH, 2))


@pytest.mark.parametrize(("family", "place"), OPEN_CLIP)
def test_shapes_are_renamed_as_tensors_are(family: Family, place: int) -> None:
    spec = family.text_encoders[place]
    tensors = toy(spec)
    shapes = rename_shapes({name: tuple(t.shape) for name, t in tensors.items()}, family)
    found = rename_open_clip(tensors, spec, split, lambda tensor: tensor.T)
    assert shapes == {name: tuple(tensor.shape) for name, tensor in found.items()}


def test_what_is_unused_is_left_out_and_what_is_unknown_stays() -> None:
    more = {f"{BIG_G.prefix}attn_mask": torch.ones(2), f"{BIG_G.prefix}odd": torch.ones(3)}
    new = renamed(toy(BIG_G) | more)
    assert not {"logit_scale", "attn_mask"} & new.keys()
    assert "odd" in new


def test_other_tensors_and_encoders_stay() -> None:
    others = {
        "first_stage_model.quant_conv.weight": torch.ones(1),
        "text_projection": torch.ones(2),
    }
    assert rename_open_clip(others, BIG_G, split, lambda tensor: tensor.T) == others
    clip = {f"{CLIP_L.prefix}transformer.resblocks.0.ln_1.weight": torch.ones(1)}
    assert rename_open_clip(clip, CLIP_L, split, lambda tensor: tensor.T) == clip
    as_clip = replace(BIG_G, layout=TextLayout.CLIP)
    tensors = toy(BIG_G)
    assert rename_open_clip(tensors, as_clip, split, lambda tensor: tensor.T) == tensors


def test_an_encoder_in_transformers_names_stays() -> None:
    shapes = clip_shapes(BIG_G.prefix, WIDTH, 1)
    assert rename_shapes(shapes, SDXL) == shapes
    assert rename_shapes(shapes, SD1) == shapes
