"""The numbers that SDXL's U-Net reads beside the text: pooled vector, sizes, crop, aesthetic score.

Podell et al. (2023), section 2.2; contract section 2.11.
"""

from typing import TYPE_CHECKING, Any

from torch import Tensor

from generator.models.families.family import AddedCondition, Family
from generator.prompt.conditioning import AddedNumbers
from generator.request import Snapshot

if TYPE_CHECKING:
    from diffusers import ControlNetModel, ControlNetUnionModel, UNet2DConditionModel


def added_numbers(family: Family, size: tuple[int, int], options: Snapshot) -> AddedNumbers:
    """The numbers for a pass that draws ``size`` (w, h) pixels."""
    width, height = size
    crop = (options.sdxl_crop_top, options.sdxl_crop_left)
    if family.added is AddedCondition.SIZE_AND_CROP:
        both = (height, width, *crop, height, width)
        return AddedNumbers(both, both)
    if family.added is AddedCondition.SIZE_AND_SCORE:
        common = (height, width, *crop)
        return AddedNumbers(
            (*common, options.sdxl_refiner_high_aesthetic_score),
            (*common, options.sdxl_refiner_low_aesthetic_score),
        )
    return AddedNumbers()


def added_arguments(
    network: "UNet2DConditionModel | ControlNetModel | ControlNetUnionModel", vectors: Tensor | None
) -> dict[str, Any]:
    """``vectors`` (n, pooled width + numbers) as diffusers' networks take them."""
    if vectors is None or network.config.addition_embed_type != "text_time":
        return {}
    inputs = network.config.projection_class_embeddings_input_dim
    count = (inputs - vectors.shape[1]) // (network.config.addition_time_embed_dim - 1)
    texts, numbers = vectors[:, :-count], vectors[:, -count:]
    return {"added_cond_kwargs": {"text_embeds": texts.to(network.dtype), "time_ids": numbers}}
