"""What programs that train models note in a file's metadata about its base. No torch."""

from collections.abc import Mapping

from generator.models.families.architecture import Architecture

MODELSPEC = "modelspec.architecture"  # "stable-diffusion-v1/lora"
TRAINER = "ss_base_model_version"  # "sd_v1", "sdxl_base_v1-0"
NOTED_ARCHITECTURES = (
    ("sd_v1", Architecture.SD1),
    ("sd_v2", Architecture.SD2),
    ("sdxl", Architecture.SDXL),
    ("sd3", Architecture.SD3),
    ("flux1", Architecture.FLUX),
    ("stable-diffusion-v1", Architecture.SD1),
    ("stable-diffusion-v2", Architecture.SD2),
    ("stable-diffusion-xl", Architecture.SDXL),
    ("stable-diffusion-3", Architecture.SD3),
    ("flux-1", Architecture.FLUX),
)
"""How both notes begin, in small letters."""


def noted_architecture(metadata: Mapping[str, str]) -> Architecture | None:
    """The base that a file's metadata name: the trainer's own note goes before modelspec's.

    None where neither names one that is known.
    """
    for key in (TRAINER, MODELSPEC):
        note = metadata.get(key, "").lower()
        for beginning, architecture in NOTED_ARCHITECTURES:
            if note.startswith(beginning):
                return architecture
    return None
