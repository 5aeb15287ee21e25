"""Sizes, crop and score beside SDXL's pooled text: in which order, and how they come apart."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from generator.models.added_condition import added_arguments, added_numbers
from generator.models.families.family import Family
from generator.models.families.sd1 import SD1
from generator.models.families.sd2 import SD2
from generator.models.families.sdxl import SDXL, SDXL_REFINER
from generator.request import Snapshot

OPTIONS = Snapshot(
    sdxl_crop_top=3, sdxl_crop_left=5, sdxl_refiner_low_aesthetic_score=1.5,
    sdxl_refiner_high_aesthetic_score=7.5,
)  # fmt: skip


def network(inputs: int, width: int, kind: str | None = "text_time") -> Any:
    config = SimpleNamespace(
        addition_embed_type=kind,
        projection_class_embeddings_input_dim=inputs,
        addition_time_embed_dim=width,
    )
    return cast(Any, SimpleNamespace(config=config, dtype=torch.float16))


@pytest.mark.parametrize("family", [SD1, SD2])
def test_other_families_read_no_numbers(family: Family) -> None:
    numbers = added_numbers(family, (640, 512), OPTIONS)
    assert (numbers.positive, numbers.negative) == ((), ())


def test_sdxl_reads_height_first_and_the_same_for_both_prompts() -> None:
    numbers = added_numbers(SDXL, (640, 512), OPTIONS)
    assert numbers.positive == (512, 640, 3, 5, 512, 640)
    assert numbers.negative == numbers.positive


def test_the_refiner_reads_a_score_for_each_prompt() -> None:
    numbers = added_numbers(SDXL_REFINER, (640, 512), OPTIONS)
    assert numbers.positive == (512, 640, 3, 5, 7.5)
    assert numbers.negative == (512, 640, 3, 5, 1.5)


def test_options_that_are_not_set() -> None:
    assert added_numbers(SDXL, (8, 16), Snapshot()).positive == (16, 8, 0, 0, 16, 8)
    refiner = added_numbers(SDXL_REFINER, (8, 16), Snapshot())
    assert (refiner.positive[-1], refiner.negative[-1]) == (6.0, 2.5)


@pytest.mark.parametrize(
    ("inputs", "width", "pooled", "count"),
    [(2816, 256, 1280, 6), (2560, 256, 1280, 5), (64 + 6 * 16, 16, 64, 6), (8 + 5 * 2, 2, 8, 5)],
)
def test_pooled_text_and_numbers_come_apart(
    inputs: int, width: int, pooled: int, count: int
) -> None:
    vectors = torch.arange(2.0 * (pooled + count)).reshape(2, -1)
    told = added_arguments(network(inputs, width), vectors)["added_cond_kwargs"]
    assert told["text_embeds"].shape == (2, pooled)
    assert told["text_embeds"].dtype is torch.float16
    assert torch.equal(told["time_ids"], vectors[:, pooled:])  # at their own precision
    assert told["time_ids"].shape == (2, count)
    assert torch.equal(told["text_embeds"], vectors[:, :pooled].half())


def test_networks_that_read_no_numbers_get_none() -> None:
    vectors = torch.ones(1, 1286)
    assert added_arguments(network(2816, 256, None), vectors) == {}
    assert added_arguments(network(2816, 256, "text"), vectors) == {}
    assert added_arguments(network(2816, 256), None) == {}
