"""Names of LDM's tensors in diffusers' networks: each has one, and it is the network's own."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.models import torchvision_ops
from generator.models.families.family import Family
from generator.models.families.ldm.keys import (
    ldm_layers,
    ldm_vae_names,
    old_text_name,
    text_names,
    unet_names,
    vae_names,
)
from generator.models.families.ldm.open_clip import rename_shapes
from generator.models.families.ldm.sizes import (
    TEXT,
    UNET,
    VAE,
    Hints,
    text_config,
    unet_config,
    unet_layout,
    vae_config,
)
from generator.models.families.sd1 import SD1
from generator.models.families.sd2 import SD2
from generator.models.families.sdxl import SDXL, SDXL_REFINER
from tests.generator.models.ldm_shapes import (
    REFINER_UNET,
    SD1_UNET,
    SDXL_UNET,
    ShapeTable,
    UnetNumbers,
    clip_shapes,
    open_clip_shapes,
    unet_shapes,
    vae_shapes,
)

torchvision_ops.prepare()  # before diffusers and transformers, which import torchvision
LDM_PARTS = ("input_blocks", "output_blocks", "middle_block", "in_layers", "out_layers", "emb_lay")


def layouts() -> st.SearchStrategy[UnetNumbers]:
    return st.lists(st.integers(0, 2), min_size=1, max_size=4).flatmap(
        lambda depths: st.builds(
            UnetNumbers,
            channels=st.just(tuple(32 * (1 + level) for level in range(len(depths)))),
            depths=st.just(tuple(depths)),
            middle=st.integers(1, 2),
            context=st.just(48),
            blocks=st.integers(1, 3),
            linear=st.booleans(),
            vector=st.sampled_from((0, 80)),
        )
    )


@given(layouts())
@settings(max_examples=10, deadline=None)
def test_every_tensor_of_a_unet_gets_one_name_of_its_own(numbers: UnetNumbers) -> None:
    shapes = unet_shapes(numbers)
    names = unet_names(shapes, unet_layout(shapes))
    assert names.keys() == shapes.keys()
    assert len(set(names.values())) == len(shapes)
    assert not [new for new in names.values() if any(part in new for part in LDM_PARTS)]


@given(layouts())
@settings(max_examples=6, deadline=None)
def test_layers_have_their_ldm_names_again(numbers: UnetNumbers) -> None:
    shapes = unet_shapes(numbers)
    layout = unet_layout(shapes)
    layers = {
        old.removeprefix(UNET).rpartition(".")[0]: new.rpartition(".")[0]
        for old, new in unet_names(shapes, layout).items()
    }
    back = ldm_layers(layers.values(), layout)
    assert {new: old for old, new in layers.items()} == back


@pytest.mark.parametrize(
    ("family", "numbers"),
    [
        (SD1, UnetNumbers((32, 64, 64), (1, 1, 0), 1, 48, linear=False)),
        (SD2, UnetNumbers((32, 64), (1, 0), 1, 48, inputs=9)),
        (SDXL, UnetNumbers((32, 64, 96), (0, 2, 3), 3, 48, vector=64 + 6 * 16)),
        (SDXL_REFINER, UnetNumbers((32, 64, 64), (0, 2, 0), 2, 48, vector=64 + 5 * 16)),
    ],
)
def test_names_and_sizes_are_those_of_diffusers_network(
    family: Family, numbers: UnetNumbers
) -> None:
    from diffusers import UNet2DConditionModel

    shapes = unet_shapes(numbers)
    for spec in family.text_encoders:
        if spec.pooled:
            shapes |= open_clip_shapes(spec.prefix, 64, 1)
    renamed = rename_shapes(shapes, family)
    with torch.device("meta"):
        network = UNet2DConditionModel.from_config(unet_config(renamed, Hints(), family))
    own = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert own == {new: shapes[old] for old, new in unet_names(shapes, unet_layout(shapes)).items()}


@pytest.mark.parametrize(("channels", "blocks"), [((32,), 1), ((32, 64), 2), ((32, 64, 64), 1)])
def test_a_vaes_names_are_those_of_diffusers_network(
    channels: tuple[int, ...], blocks: int
) -> None:
    from diffusers import AutoencoderKL

    shapes = vae_shapes(channels, blocks)
    with torch.device("meta"):
        network = AutoencoderKL.from_config(vae_config(shapes, Hints(), SD1.latent))
    own = {name: math.prod(tensor.shape) for name, tensor in network.state_dict().items()}
    assert own == {new: math.prod(shapes[old]) for old, new in vae_names(shapes).items()}


@pytest.mark.parametrize("levels", [1, 2, 3, 4])
def test_a_vaes_names_come_back(levels: int) -> None:
    shapes = vae_shapes(tuple(32 * (1 + level) for level in range(levels)))
    names = vae_names(shapes)
    assert len(set(names.values())) == len(shapes)
    back = ldm_vae_names(names.values())
    assert {f"{VAE}{old}": new for new, old in back.items()} == names
    bare = [name.removeprefix(VAE) for name in shapes]
    assert ldm_vae_names(bare) == {name: name for name in bare}


@pytest.mark.parametrize(
    ("old", "new"),
    [("query", "q"), ("key", "k"), ("value", "v"), ("to_q", "q"), ("to_v", "v"),
     ("proj_attn", "proj_out"), ("to_out.0", "proj_out"), ("group_norm", "norm")],
)  # fmt: skip
def test_attention_of_old_and_new_diffusers_vaes(old: str, new: str) -> None:
    name = f"decoder.mid_block.attentions.0.{old}.weight"
    assert ldm_vae_names([name]) == {name: f"decoder.mid.attn_1.{new}.weight"}


def test_what_is_no_part_of_a_vae_has_no_name() -> None:
    shapes = vae_shapes((32,)) | {f"{VAE}loss.logvar": (), f"{VAE}model_ema.decay": (), "x": (1,)}
    assert not {f"{VAE}loss.logvar", f"{VAE}model_ema.decay", "x"} & vae_names(shapes).keys()


@pytest.mark.parametrize(
    ("numbers", "old", "new"),
    [
        (SDXL_UNET, "input_blocks.4.1.transformer_blocks.1.attn2.to_k",
         "down_blocks.1.attentions.0.transformer_blocks.1.attn2.to_k"),
        (SDXL_UNET, "input_blocks.8.0.in_layers.2", "down_blocks.2.resnets.1.conv1"),
        (SDXL_UNET, "input_blocks.3.0.op", "down_blocks.0.downsamplers.0.conv"),
        (SDXL_UNET, "output_blocks.0.1.proj_in", "up_blocks.0.attentions.0.proj_in"),
        (SDXL_UNET, "output_blocks.2.2.conv", "up_blocks.0.upsamplers.0.conv"),
        (SDXL_UNET, "output_blocks.8.0.skip_connection", "up_blocks.2.resnets.2.conv_shortcut"),
        (SDXL_UNET, "label_emb.0.2", "add_embedding.linear_2"),
        (SDXL_UNET, "middle_block.2.out_layers.3", "mid_block.resnets.1.conv2"),
        (SD1_UNET, "output_blocks.2.1.conv", "up_blocks.0.upsamplers.0.conv"),
        (SD1_UNET, "output_blocks.5.2.conv", "up_blocks.1.upsamplers.0.conv"),
        (SD1_UNET, "input_blocks.11.0.emb_layers.1", "down_blocks.3.resnets.1.time_emb_proj"),
        (REFINER_UNET, "output_blocks.2.1.conv", "up_blocks.0.upsamplers.0.conv"),
        (REFINER_UNET, "output_blocks.8.2.conv", "up_blocks.2.upsamplers.0.conv"),
    ],
)  # fmt: skip
def test_layers_of_real_networks(numbers: UnetNumbers, old: str, new: str) -> None:
    shapes = unet_shapes(numbers)
    layout = unet_layout(shapes)
    assert unet_names(shapes, layout)[f"{UNET}{old}.weight"] == f"{new}.weight"
    assert ldm_layers([new], layout) == {new: old}


def test_unknown_tensors_keep_their_names_so_that_loading_tells_them() -> None:
    shapes = unet_shapes(UnetNumbers((32,), (1,), 1, 48)) | {f"{UNET}odd.weight": (1,)}
    assert unet_names(shapes, unet_layout(shapes))[f"{UNET}odd.weight"] == "odd.weight"
    assert not ldm_layers(["odd"], unet_layout(shapes))


@pytest.mark.parametrize(
    "part", ["embeddings.token_embedding.weight", "encoder.layers.0.mlp.fc1.bias",
             "final_layer_norm.weight"],
)  # fmt: skip
def test_old_names_of_the_text_encoder(part: str) -> None:
    for stem in ("cond_stage_model.transformer.", "cond_stage_model.clip_l.transformer.text_model.",
                 TEXT):  # fmt: skip
        assert old_text_name(f"{stem}{part}") == f"{TEXT}{part}"
    other = f"conditioner.embedders.0.transformer.{part}"
    assert old_text_name(other) == other


def test_text_projection_of_sd1_is_not_renamed() -> None:
    name = "cond_stage_model.transformer.text_projection.weight"
    assert old_text_name(name) == name


@pytest.mark.parametrize("family", [SD1, SD2, SDXL, SDXL_REFINER])
def test_text_encoders_names_are_those_of_transformers(family: Family) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    for spec in family.text_encoders:
        make = clip_shapes if spec.activation == "quick_gelu" else open_clip_shapes
        shapes: ShapeTable = make(spec.prefix, 64, 2, words=60)
        shapes[f"{spec.prefix}embeddings.position_ids"] = (1, 77)
        renamed = rename_shapes(shapes, family)
        config = CLIPTextConfig(**text_config(renamed, Hints(), spec))
        with torch.device("meta"):
            network = (CLIPTextModelWithProjection if spec.pooled else CLIPTextModel)(config)
        own = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        names = text_names(renamed, spec)
        assert {new: renamed[old] for old, new in names.items()} == {
            name: shape for name, shape in own.items() if not name.endswith("position_ids")
        }
