"""Families: which checkpoint is of which, and what each of them declares."""

from dataclasses import replace

import pytest

from generator.models.families.architecture import PARTS, Architecture
from generator.models.families.catalog import (
    BUILT_IN,
    DRAWABLE,
    family_of,
    family_of_architecture,
)
from generator.models.families.detection_table import CONV_IN
from generator.models.families.family import (
    END,
    AddedCondition,
    AttentionHeads,
    ClipSkip,
    Family,
    TextLayout,
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
)

NUMBERS = {"sd1": SD1_UNET, "sd2": SD2_UNET, "sdxl": SDXL_UNET, "sdxl-refiner": REFINER_UNET}


def whole(family: Family, numbers: UnetNumbers) -> ShapeTable:
    shapes = unet_shapes(numbers)
    for spec in family.text_encoders:
        make = clip_shapes if spec.layout is TextLayout.CLIP else open_clip_shapes
        shapes |= make(spec.prefix, 64, 1)
    return shapes


@pytest.mark.parametrize("family", BUILT_IN, ids=lambda family: family.name)
def test_a_whole_checkpoint_is_of_its_family(family: Family) -> None:
    assert family_of(whole(family, NUMBERS[family.name])) is family


@pytest.mark.parametrize(
    ("family", "inputs", "found"),
    [(SD1, 9, SD1), (SD1, 8, SD1), (SD2, 9, SD2), (SDXL, 9, SDXL), (SD2, 5, None), (SD2, 7, None),
     (SDXL, 8, None), (SD1, 5, None)],
)  # fmt: skip
def test_further_input_channels(family: Family, inputs: int, found: Family | None) -> None:
    numbers = replace(NUMBERS[family.name], inputs=inputs)
    assert family_of(whole(family, numbers)) is found


def test_what_is_no_family() -> None:
    assert family_of({}) is None
    assert family_of({"decoder.conv_in.weight": (4, 4, 3, 3)}) is None
    assert not DRAWABLE & PARTS


def test_each_architecture_is_of_one_family() -> None:
    told = [each for family in BUILT_IN for each in family.architectures]
    assert len(told) == len(set(told)) == len(DRAWABLE)
    for family in BUILT_IN:
        assert {family_of_architecture(each) for each in family.architectures} == {family}
    for other in set(Architecture) - DRAWABLE:
        assert family_of_architecture(other) is None


def test_a_plugins_family_is_asked_first() -> None:
    mine = replace(SD1, name="mine", recognises=lambda shapes: "mine" in shapes)
    shapes = whole(SD1, SD1_UNET)
    assert family_of(shapes | {"mine": (1,)}, (replace(SD1, name="mute"), mine)) is mine
    assert family_of(shapes, (mine,)) is SD1
    everything = replace(mine, name="all", recognises=lambda shapes: True)
    assert family_of({CONV_IN: (1, 4, 3, 3)}, (mine, everything)) is everything


def test_names_are_distinct_and_loras_are_lent_between_known_ones() -> None:
    names = {family.name for family in BUILT_IN}
    assert len(names) == len({family.label for family in BUILT_IN}) == len(BUILT_IN)
    assert all(family.lends_adapters <= names - {family.name} for family in BUILT_IN)
    assert SDXL_REFINER.lends_adapters == {"sdxl"}
    assert not SDXL.lends_adapters


@pytest.mark.parametrize(
    ("family", "skips", "norms", "pools", "paddings"),
    [
        (SD1, [ClipSkip.ALWAYS], [True], [False], [END]),
        (SD2, [ClipSkip.NEVER], [True], [False], [0]),
        (SDXL, [ClipSkip.BY_OPTION, ClipSkip.NEVER], [False] * 2, [False, True], [END, 0]),
        (SDXL_REFINER, [ClipSkip.NEVER], [False], [True], [0]),
    ],
)
def test_what_is_read_of_the_text(
    family: Family, skips: object, norms: object, pools: object, paddings: object
) -> None:
    specs = family.text_encoders
    assert [spec.clip_skip for spec in specs] == skips
    assert [spec.final_norm for spec in specs] == norms
    assert [spec.pooled for spec in specs] == pools
    assert [spec.padding for spec in specs] == paddings
    assert [spec.skipped_layers for spec in specs] == [0 if family is SD1 else 1] * len(specs)
    assert [spec.lora_prefix.startswith("lora_te2_") for spec in specs] == pools


def test_what_else_differs() -> None:
    told = [(f.name, f.added, f.default_side, f.probes_prediction) for f in BUILT_IN]
    assert told == [
        ("sd1", AddedCondition.NONE, 512, False),
        ("sd2", AddedCondition.NONE, 512, True),
        ("sdxl", AddedCondition.SIZE_AND_CROP, 1024, False),
        ("sdxl-refiner", AddedCondition.SIZE_AND_SCORE, 1024, False),
    ]
    assert [f.zeroes_empty_negative for f in BUILT_IN] == [False, False, True, True]
    assert [f.notes_blank_picture for f in (SD1, SDXL)] == [True, False]


def test_heads_by_count_and_by_width() -> None:
    assert [AttentionHeads(count=8).of(width) for width in (320, 1280)] == [8, 8]
    assert [AttentionHeads(width=64).of(width) for width in (32, 320, 1280)] == [1, 5, 20]
