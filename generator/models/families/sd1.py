"""Stable Diffusion 1.x: one CLIP ViT-L/14, whose last state is read (Rombach et al. 2022)."""

from generator.models.families.architecture import Architecture
from generator.models.families.family import AttentionHeads, Family, TextEncoderSpec

SD1 = Family(
    name="sd1",
    label=Architecture.SD1.label,
    architectures=frozenset(
        {Architecture.SD1, Architecture.SD1_INPAINTING, Architecture.SD1_EDITING}
    ),
    text_encoders=(TextEncoderSpec("cond_stage_model.transformer.text_model."),),
    heads=AttentionHeads(count=8),
)
