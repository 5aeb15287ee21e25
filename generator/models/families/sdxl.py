"""Stable Diffusion XL (Podell et al. 2023): base with two text encoders, refiner with one.

Both read the picture's size and crop beside a pooled vector of the text; the refiner reads an
aesthetic score in place of the target's size. v-prediction is told by the keys ``v_pred`` and
``ztsnr``, the continuous noise of Playground v2.5 and CosXL by those of ``ldm/edm.py``.
"""

from generator.models.families.architecture import Architecture
from generator.models.families.family import (
    PADDING,
    AddedCondition,
    AttentionHeads,
    ClipSkip,
    Family,
    LatentFormat,
    TextEncoderSpec,
    TextLayout,
)
from generator.models.families.lora_blocks import SDXL_BLOCKS

CLIP_L = TextEncoderSpec(
    "conditioner.embedders.0.transformer.text_model.",
    skipped_layers=1,
    final_norm=False,
    clip_skip=ClipSkip.BY_OPTION,
)


def _open_clip(place: int) -> TextEncoderSpec:
    """OpenCLIP ViT-bigG/14 as the conditioner's embedder number ``place``."""
    return TextEncoderSpec(
        f"conditioner.embedders.{place}.model.",
        TextLayout.OPEN_CLIP,
        skipped_layers=1,
        final_norm=False,
        pooled=True,
        padding=PADDING,
        clip_skip=ClipSkip.NEVER,
        lora_prefix="lora_te2_text_model_",
        activation="gelu",
    )


SDXL = Family(
    name="sdxl",
    label=Architecture.SDXL.label,
    architectures=frozenset(
        {
            Architecture.SDXL,
            Architecture.SDXL_INPAINTING,
            Architecture.PLAYGROUND,
            Architecture.COSXL,
        }
    ),
    text_encoders=(CLIP_L, _open_clip(1)),
    heads=AttentionHeads(width=64),
    latent=LatentFormat(scale=0.13025),
    added=AddedCondition.SIZE_AND_CROP,
    notes_blank_picture=False,
    zeroes_empty_negative=True,
    sdxl_step_levels=True,
    cubes_style_fidelity=True,
    lora_blocks=SDXL_BLOCKS,
    default_side=1024,
)
SDXL_REFINER = Family(
    name="sdxl-refiner",
    label=Architecture.SDXL_REFINER.label,
    architectures=frozenset({Architecture.SDXL_REFINER}),
    text_encoders=(_open_clip(0),),
    heads=AttentionHeads(width=64),
    latent=LatentFormat(scale=0.13025),
    added=AddedCondition.SIZE_AND_SCORE,
    zeroes_empty_negative=True,
    sdxl_step_levels=True,
    cubes_style_fidelity=True,
    lends_adapters=frozenset({"sdxl"}),
    lora_blocks=SDXL_BLOCKS,
    default_side=1024,
)
