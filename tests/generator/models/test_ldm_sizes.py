"""Sizes of networks from the shapes of their tensors, against the published configurations."""

from typing import Any

import pytest

from generator.models.families.family import AddedCondition, Family
from generator.models.families.ldm.open_clip import rename_shapes
from generator.models.families.ldm.sizes import (
    Hints,
    UnetLayout,
    count_added_numbers,
    count_entries,
    layout_of_config,
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
    SD2_UNET,
    SDXL_UNET,
    ShapeTable,
    UnetNumbers,
    clip_shapes,
    open_clip_shapes,
    unet_shapes,
    vae_shapes,
)

CROSS, PLAIN = "CrossAttnDownBlock2D", "DownBlock2D"
CROSS_UP, PLAIN_UP = "CrossAttnUpBlock2D", "UpBlock2D"
PUBLISHED: dict[str, dict[str, Any]] = {  # ``unet/config.json`` of the authors' repositories
    "sd1": {
        "block_out_channels": [320, 640, 1280, 1280],
        "down_block_types": [CROSS, CROSS, CROSS, PLAIN],
        "up_block_types": [PLAIN_UP, CROSS_UP, CROSS_UP, CROSS_UP],
        "attention_head_dim": [8, 8, 8, 8],
        "cross_attention_dim": 768,
        "use_linear_projection": False,
        "layers_per_block": 2,
    },
    "sd2": {
        "block_out_channels": [320, 640, 1280, 1280],
        "down_block_types": [CROSS, CROSS, CROSS, PLAIN],
        "up_block_types": [PLAIN_UP, CROSS_UP, CROSS_UP, CROSS_UP],
        "attention_head_dim": [5, 10, 20, 20],
        "cross_attention_dim": 1024,
        "use_linear_projection": True,
        "layers_per_block": 2,
    },
    "sdxl": {
        "block_out_channels": [320, 640, 1280],
        "down_block_types": [PLAIN, CROSS, CROSS],
        "up_block_types": [CROSS_UP, CROSS_UP, PLAIN_UP],
        "attention_head_dim": [5, 10, 20],
        "cross_attention_dim": 2048,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
    "sdxl-refiner": {
        "block_out_channels": [384, 768, 1536, 1536],
        "down_block_types": [PLAIN, CROSS, CROSS, PLAIN],
        "up_block_types": [PLAIN_UP, CROSS_UP, CROSS_UP, PLAIN_UP],
        "attention_head_dim": [6, 12, 24, 24],
        "cross_attention_dim": 1280,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2560,
    },
}
WHOLE = {
    "sd1": (SD1, SD1_UNET),
    "sd2": (SD2, SD2_UNET),
    "sdxl": (SDXL, SDXL_UNET),
    "sdxl-refiner": (SDXL_REFINER, REFINER_UNET),
}


def whole(family: Family, numbers: UnetNumbers) -> ShapeTable:
    """A U-Net's shapes with those of the pooling text encoder, by transformers' names."""
    shapes = unet_shapes(numbers)
    for spec in family.text_encoders:
        if spec.pooled:
            shapes |= open_clip_shapes(spec.prefix, 1280, 1)
    return dict(rename_shapes(shapes, family))


@pytest.mark.parametrize("name", WHOLE)
def test_a_unet_has_its_published_configuration(name: str) -> None:
    family, numbers = WHOLE[name]
    config = unet_config(whole(family, numbers), Hints(), family)
    assert {key: config[key] for key in PUBLISHED[name]} == PUBLISHED[name]
    assert (config["in_channels"], config["out_channels"]) == (4, 4)
    assert config["norm_num_groups"] == 32
    assert ("addition_embed_type" in config) == (family.added is not AddedCondition.NONE)


@pytest.mark.parametrize(
    ("name", "depths"),
    [("sd1", [1, 1, 1]), ("sd2", [1, 1, 1]), ("sdxl", [None, 2, 10]), ("sdxl-refiner", [None, 4])],
)
def test_each_level_has_its_own_number_of_transformers(name: str, depths: list[int | None]) -> None:
    family, numbers = WHOLE[name]
    told = unet_config(whole(family, numbers), Hints(), family)["transformer_layers_per_block"]
    assert len(told) == len(numbers.channels)
    for own, known in zip(told, depths, strict=False):
        assert known is None or own == known
    assert told[-1] == numbers.middle  # diffusers builds the middle with the last


@pytest.mark.parametrize("inputs", [4, 8, 9])
def test_input_channels_are_those_of_the_first_convolution(inputs: int) -> None:
    numbers = UnetNumbers((32, 64), (1, 0), 1, 48, inputs=inputs, linear=False)
    config = unet_config(unet_shapes(numbers), Hints(), SD1)
    assert config["in_channels"] == inputs
    assert config["out_channels"] == 4


@pytest.mark.parametrize("blocks", [1, 2, 3])
@pytest.mark.parametrize("depths", [(1,), (0, 1), (1, 0), (0, 2, 3), (1, 1, 1, 0)])
def test_levels_are_divided_at_the_downsamplers(blocks: int, depths: tuple[int, ...]) -> None:
    channels = tuple(32 * (level + 1) for level in range(len(depths)))
    numbers = UnetNumbers(channels, depths, 5, 48, blocks=blocks)
    layout = unet_layout(unet_shapes(numbers))
    assert layout.channels == channels
    assert layout.blocks == blocks
    assert layout.attention == tuple(depth > 0 for depth in depths)
    assert layout.depths == tuple(depth or 5 for depth in depths)


@pytest.mark.parametrize("name", WHOLE)
def test_a_configuration_tells_the_layout_that_it_came_of(name: str) -> None:
    family, numbers = WHOLE[name]
    shapes = whole(family, numbers)
    assert layout_of_config(unet_config(shapes, Hints(), family)) == unet_layout(shapes)


def test_one_depth_holds_for_each_level_of_a_configuration() -> None:
    config = {
        "block_out_channels": (32, 64), "layers_per_block": 1,
        "down_block_types": (PLAIN, CROSS), "transformer_layers_per_block": 3,
    }  # fmt: skip
    assert layout_of_config(config) == UnetLayout((32, 64), 1, (False, True), (3, 3))


def test_a_level_without_blocks_is_no_unet() -> None:
    shapes = unet_shapes(UnetNumbers((32, 64), (1, 1), 1, 48, blocks=1))
    cut = {name: s for name, s in shapes.items() if ".input_blocks.3." not in name}
    with pytest.raises(KeyError, match="input_blocks"):
        unet_layout(cut)


def test_hints_win_over_the_familys_rule_and_never_over_shapes() -> None:
    shapes = unet_shapes(UnetNumbers((32, 64), (1, 1), 1, 48))
    hints = Hints(
        unet={"attention_head_dim": 4, "norm_num_groups": 8, "cross_attention_dim": 7, "odd": 1}
    )
    config = unet_config(shapes, hints, SD1)
    assert (config["attention_head_dim"], config["norm_num_groups"]) == (4, 8)
    assert config["cross_attention_dim"] == 48
    assert "odd" not in config
    assert unet_config(shapes, Hints(unet={"norm_num_groups": None}), SD1)["norm_num_groups"] == 32


@pytest.mark.parametrize(
    ("family", "channels", "heads"),
    [
        (SD1, 320, 8), (SD1, 1280, 8), (SD2, 320, 5), (SD2, 1280, 20), (SDXL, 640, 10),
        (SDXL_REFINER, 384, 6), (SDXL, 32, 1),
    ],
)  # fmt: skip
def test_heads_are_fixed_in_number_or_in_width(family: Family, channels: int, heads: int) -> None:
    assert family.heads.of(channels) == heads


def test_added_numbers_are_counted() -> None:
    assert [count_added_numbers(each) for each in AddedCondition] == [0, 6, 5]


@pytest.mark.parametrize(("family", "scale"), [(SD1, 0.18215), (SD2, 0.18215), (SDXL, 0.13025)])
def test_a_vae_has_the_familys_scale_and_its_own_sizes(family: Family, scale: float) -> None:
    config = vae_config(vae_shapes((128, 256, 512, 512)), Hints(), family.latent)
    assert config["scaling_factor"] == pytest.approx(scale)
    assert config["shift_factor"] is None
    assert config["block_out_channels"] == [128, 256, 512, 512]
    assert (config["layers_per_block"], config["latent_channels"]) == (2, 4)
    assert config["down_block_types"] == ["DownEncoderBlock2D"] * 4
    assert config["up_block_types"] == ["UpDecoderBlock2D"] * 4
    assert config["mid_block_add_attention"]


def test_a_vae_without_attention_of_other_latents_and_hinted() -> None:
    shapes = {n: s for n, s in vae_shapes((32,), 1, latent=16).items() if "attn_1" not in n}
    hints = Hints(vae={"scaling_factor": 0.5, "norm_num_groups": 4, "latent_channels": 9})
    config = vae_config(shapes, hints, SD1.latent)
    assert not config["mid_block_add_attention"]
    assert (config["latent_channels"], config["layers_per_block"]) == (16, 1)
    assert (config["scaling_factor"], config["norm_num_groups"]) == (0.5, 4)


@pytest.mark.parametrize(
    ("family", "place", "width", "layers", "heads", "activation"),
    [
        (SD1, 0, 768, 12, 12, "quick_gelu"),
        (SD2, 0, 1024, 23, 16, "gelu"),
        (SDXL, 0, 768, 12, 12, "quick_gelu"),
        (SDXL, 1, 1280, 32, 20, "gelu"),
        (SDXL_REFINER, 0, 1280, 32, 20, "gelu"),
    ],
)
def test_text_encoders_have_their_published_sizes(
    family: Family, place: int, width: int, layers: int, heads: int, activation: str
) -> None:
    spec = family.text_encoders[place]
    make = clip_shapes if spec.activation == "quick_gelu" else open_clip_shapes
    shapes = rename_shapes(make(spec.prefix, width, layers), family)
    config = text_config(shapes, Hints(), spec)
    assert config["hidden_size"] == config["projection_dim"] == width
    assert config["intermediate_size"] == 4 * width
    assert config["num_hidden_layers"] == layers
    assert config["num_attention_heads"] == heads
    assert config["hidden_act"] == activation
    assert (config["vocab_size"], config["max_position_embeddings"]) == (49408, 77)
    hinted = text_config(shapes, Hints(text={"num_attention_heads": 2, "hidden_size": 1}), spec)
    assert (hinted["num_attention_heads"], hinted["hidden_size"]) == (2, width)


def test_entries_of_a_list_are_counted_once_each() -> None:
    shapes = {"a.0.x": (1,), "a.0.y": (1,), "a.11.x": (1,), "b.2.x": (1,)}
    assert count_entries(shapes, "a.") == 2
    assert count_entries(shapes, "c.") == 0
