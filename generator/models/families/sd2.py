"""Stable Diffusion 2: OpenCLIP ViT-H/14, whose state before the last is read.

The files of 512 pixels predict eps, those of 768 v; nothing in a tensor's name tells which.
"""

from generator.models.families.architecture import Architecture
from generator.models.families.family import (
    PADDING,
    AttentionHeads,
    ClipSkip,
    Family,
    TextEncoderSpec,
    TextLayout,
)

SD2 = Family(
    name="sd2",
    label=Architecture.SD2.label,
    architectures=frozenset({Architecture.SD2, Architecture.SD2_INPAINTING}),
    text_encoders=(
        TextEncoderSpec(
            "cond_stage_model.model.",
            TextLayout.OPEN_CLIP,
            skipped_layers=1,
            folder_skipped_layers=0,  # diffusers leaves the last layer out of its files
            padding=PADDING,
            clip_skip=ClipSkip.NEVER,
            activation="gelu",
        ),
    ),
    heads=AttentionHeads(width=64),
    probes_prediction=True,
)
