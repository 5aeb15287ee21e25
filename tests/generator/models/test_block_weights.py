"""``lbw=`` in a LoRA's tag weights each block of the U-Net, as the extension's lists say."""

from pathlib import Path

import pytest
import torch

from generator.errors import BadRequest
from generator.extra_networks import read_strengths
from generator.models.adapter_files import read_adapter
from generator.models.adapter_layers import layers_by_kohya_name
from generator.models.adapters import AppliedAdapter, apply_adapters
from generator.models.checkpoint import Checkpoint
from generator.models.families.catalog import BUILT_IN
from generator.models.families.lora_blocks import ALL_BLOCKS, NAMES, SD_BLOCKS, SDXL_BLOCKS
from generator.models.families.sd1 import SD1
from generator.models.families.sdxl import SDXL, SDXL_REFINER
from generator.prompt.block_weights import BlockWeights, read_block_weights
from generator.prompt.grammar import parse_extra_networks
from tests.generator.models.tiny_checkpoints import SHAPES, load_tiny, save_adapter

SEVENTEEN = (
    "BASE IN01 IN02 IN04 IN05 IN07 IN08 M00 OUT03 OUT04 OUT05 OUT06 OUT07 OUT08 OUT09 OUT10 OUT11"
)
TWELVE = "BASE IN04 IN05 IN07 IN08 M00 OUT00 OUT01 OUT02 OUT03 OUT04 OUT05"
TWENTY = (
    "BASE IN00 IN01 IN02 IN03 IN04 IN05 IN06 IN07 IN08 M00 "
    "OUT00 OUT01 OUT02 OUT03 OUT04 OUT05 OUT06 OUT07 OUT08"
)
TWENTY_SIX = (
    "BASE IN00 IN01 IN02 IN03 IN04 IN05 IN06 IN07 IN08 IN09 IN10 IN11 M00 "
    "OUT00 OUT01 OUT02 OUT03 OUT04 OUT05 OUT06 OUT07 OUT08 OUT09 OUT10 OUT11"
)


def read(tag: str) -> BlockWeights | None:
    return read_block_weights(parse_extra_networks(tag)[1][0])


def counting(count: int) -> str:
    """``count`` different numbers."""
    return ",".join(f"{number / 10:g}" for number in range(1, count + 1))


@pytest.mark.parametrize(
    ("family", "blocks"),
    [("sd1", SEVENTEEN), ("sd1", TWENTY_SIX), ("sdxl", TWELVE), ("sdxl", TWENTY),
     ("sdxl", TWENTY_SIX), ("sd2", SEVENTEEN), ("sdxl-refiner", TWELVE)],
)  # fmt: skip
def test_each_place_of_a_list_is_a_block(family: str, blocks: str) -> None:
    names = blocks.split()
    found = read(f"<lora:x:1:lbw={counting(len(names))}>")
    assert found is not None
    weights = found.by_block(next(own for own in BUILT_IN if own.name == family))
    assert tuple(weights) == ALL_BLOCKS
    for number, name in enumerate(names, 1):
        assert weights[name] == number / 10, name
    assert all(weights[name] == 0 for name in set(ALL_BLOCKS) - set(names))


@pytest.mark.parametrize(
    ("name", "seventeen", "twelve"),
    [
        ("NONE", "0" * 17, "0" * 12),
        ("ALL", "1" * 17, "1" * 12),
        ("INS", "1111" + "0" * 13, "111" + "0" * 9),
        ("IND", "1000111" + "0" * 10, "100110" + "0" * 6),
        ("INALL", "1" * 7 + "0" * 10, "1" * 5 + "0" * 7),
        ("MIDD", "1000" + "1" * 8 + "0" * 5, "100" + "1" * 6 + "000"),
        ("OUTD", "1" + "0" * 7 + "1111" + "0" * 5, "1" + "0" * 5 + "111000"),
        ("OUTS", "1" + "0" * 11 + "1" * 5, "1" + "0" * 8 + "111"),
        ("OUTALL", "1" + "0" * 7 + "1" * 9, "1" + "0" * 5 + "1" * 6),
    ],
)
def test_names_are_the_extensions(name: str, seventeen: str, twelve: str) -> None:
    for family, blocks, wanted in (
        (SD1, SEVENTEEN, seventeen), (SDXL, TWELVE, twelve), (SDXL_REFINER, TWELVE, twelve),
    ):  # fmt: skip
        found = read(f"<lora:x:1:1:lbw={name.lower()}>")
        assert found is not None
        weights = found.by_block(family)
        assert [weights[block] for block in blocks.split()] == [float(w) for w in wanted]


def test_all_and_half_reach_every_block() -> None:
    for name, weight in (("ALL", 1.0), ("ALL0.5", 0.5), ("NONE", 0.0)):
        for family in BUILT_IN:
            assert set(BlockWeights(name=name).by_block(family).values()) == {weight}


@pytest.mark.parametrize(
    ("tag", "told"),
    [
        ("<lora:x:1:lbw=1,0,1>", "lbw has 3 numbers; it takes 17 or 26 for Stable Diffusion 1"),
        ("<lora:x:1:1:lbw=NOPE>", "lbw is 'NOPE'; it takes"),
        ("<lora:x:1:lbw=>", "lbw is ''; it takes"),
        (f"<lyco:x:1:lbw={counting(16)},R>", "lbw has 'R' among its 17 numbers; each is a number"),
        (f"<lora:x:1:lbw={counting(11)},nan>", "lbw has 'nan' among its 12 numbers"),
        (f"<lora:x:1:lbw={counting(11)},1e9>", "lbw has '1e9' among its 12 numbers"),
        (f"<lora:x:1:lbw={counting(18)}>", "lbw has 18 numbers"),
    ],
)
def test_a_bad_list_is_refused_naming_tag_counts_and_what_was_found(tag: str, told: str) -> None:
    with pytest.raises(BadRequest) as caught:
        read(tag)
    assert str(caught.value).startswith(f"{tag}: {told}")
    assert caught.value.field == "prompt"
    if "takes" in told:
        assert "12, 20 or 26 for Stable Diffusion XL" in str(caught.value)
        assert str(caught.value).endswith(f"or a name: {', '.join(NAMES)}")


def test_a_list_for_another_family_is_refused_naming_both_counts() -> None:
    found = read(f"<lora:x:1:lbw={counting(17)}>")
    assert found is not None
    with pytest.raises(BadRequest, match=r"<lora:x:1:lbw=0.1,.*lbw has 17 numbers; for Stable"
                       r" Diffusion XL it takes 12, 20 or 26"):  # fmt: skip
        found.by_block(SDXL)


def test_other_tags_have_none() -> None:
    for tag in ("<lora:x:1>", "<hypernet:x:1:lbw=ALL>"):
        assert read(tag) is None
    assert read_strengths(parse_extra_networks("<hypernet:x:1:lbw=ALL>")[1][0]) is None


@pytest.mark.parametrize("family", SHAPES)
def test_each_block_is_changed_by_its_own_weight(family: str, tmp_path: Path) -> None:
    """A bias in every block, and one outside of all; the text encoders are BASE."""
    checkpoint = load_tiny(family, tmp_path)
    layers = layers_by_kohya_name(checkpoint)
    chosen = {
        layer.block: (name, layer)
        for name, layer in layers.items()
        if getattr(layer.module, "bias", None) is not None
    }
    tensors = {f"{name}.diff_b": torch.ones(len(own.module.bias)) for name, own in chosen.values()}
    adapter = read_adapter(save_adapter(tmp_path / "mine.safetensors", tensors))
    blocks = SDXL_BLOCKS if family == "sdxl" else SD_BLOCKS
    assert set(blocks.lists[26 if family != "sdxl" else 20]) == chosen.keys() - {None}
    for count, names in blocks.lists.items():
        weights = read(f"<lora:x:1:lbw={counting(count)}>")
        before = {block: layer.module.bias.clone() for block, (_, layer) in chosen.items()}
        with apply_adapters(
            checkpoint, [AppliedAdapter(adapter, 0.5, 2.0, blocks=weights)]
        ) as told:
            assert told == ()
            for block, (_, layer) in chosen.items():
                ratio = (names.index(block) + 1) / 10 if block in names else 0.0
                wanted = 2.0 if block is None else ratio * (0.5 if block == "BASE" else 2.0)
                change = layer.module.bias - before[block]
                assert torch.allclose(change, torch.full_like(change, wanted), atol=1e-5), block


def test_a_list_of_another_family_leaves_the_weights_as_they_were(tmp_path: Path) -> None:
    checkpoint: Checkpoint = load_tiny("sdxl", tmp_path)
    name, layer = next(iter(layers_by_kohya_name(checkpoint).items()))
    weight = layer.weight.clone()
    tensors = {f"{name}.diff": torch.ones_like(weight)}
    adapter = read_adapter(save_adapter(tmp_path / "mine.safetensors", tensors))
    seventeen = read(f"<lora:x:1:lbw={counting(17)}>")
    both = [AppliedAdapter(adapter), AppliedAdapter(adapter, blocks=seventeen)]
    with pytest.raises(BadRequest, match="17 numbers"), apply_adapters(checkpoint, both):
        pass
    assert torch.equal(layer.weight, weight)
