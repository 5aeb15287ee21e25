"""Tensors are of an architecture, and messages say its label."""

import pytest

from generator.models.families.architecture import (
    Architecture,
    architecture_by_context_width,
)
from generator.models.families.catalog import BUILT_IN
from generator.models.families.detection import architecture_of, describe_architecture
from generator.models.families.detection_table import CONV_IN


@pytest.mark.parametrize(
    ("shapes", "architecture", "words"),
    [
        ({CONV_IN: (320, 4, 3, 3)}, Architecture.SD1, "Stable Diffusion 1.x"),
        ({CONV_IN: (320, 9, 3, 3)}, Architecture.SD1_INPAINTING,
         "Stable Diffusion 1.x inpainting"),
        ({CONV_IN: (320, 8, 3, 3)}, Architecture.SD1_EDITING,
         "InstructPix2Pix (Stable Diffusion 1.x)"),
        ({CONV_IN: (320, 5, 3, 3)}, Architecture.OTHER_UNET, "a U-Net of 5 input channels"),
        ({CONV_IN: (320,)}, Architecture.UNKNOWN, "no architecture that Easel knows"),
        ({CONV_IN: (320, 4, 3, 3), "cond_stage_model.model.ln_final.weight": (1024,)},
         Architecture.SD2, "Stable Diffusion 2"),
        ({"double_blocks.0.x": (1,)}, Architecture.FLUX,
         "Flux (without text encoder and VAE)"),
        ({"lora_te_x": (1,)}, Architecture.LORA, "a LoRA"),
        ({"down_blocks.0.x": (1,)}, Architecture.DIFFUSERS_UNET,
         "a U-Net in diffusers' layout (not a single-file checkpoint)"),
        ({}, Architecture.UNKNOWN, "no architecture that Easel knows"),
    ],
)  # fmt: skip
def test_tensors_are_of_an_architecture(
    shapes: dict[str, tuple[int, ...]], architecture: Architecture, words: str
) -> None:
    assert architecture_of(shapes) is architecture
    assert describe_architecture(shapes) == words


def test_each_architecture_that_is_drawn_with_is_of_one_family() -> None:
    drawn = [each for family in BUILT_IN for each in family.architectures]
    assert len(drawn) == len(set(drawn))
    assert {each.name for each in drawn} == {
        "SD1", "SD1_INPAINTING", "SD1_EDITING", "SD2", "SD2_INPAINTING", "SDXL",
        "SDXL_INPAINTING", "SDXL_REFINER", "PLAYGROUND", "COSXL",
    }  # fmt: skip


def test_text_width_tells_the_architecture() -> None:
    assert architecture_by_context_width(2048) is Architecture.SDXL
    assert architecture_by_context_width(5).label == "another architecture"
