"""Markers of a checkpoint with continuous noise levels (Karras et al. 2022), and what they tell.

Playground v2.5 carries the mean and the deviation of its latents, CosXL its range of noise levels.
"""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from generator.errors import ModelUnreadable
from generator.models.families.detection_table import EDM_LATENTS, EDM_V_MAX, EDM_V_MIN
from generator.models.families.family import EdmNoise, LatentFormat, Prediction

PLAYGROUND = EdmNoise(sigma_min=0.002, sigma_max=80.0, sigma_data=0.5, schedule="Karras")
COSXL = EdmNoise(sigma_min=0.002, sigma_max=120.0, sigma_data=1.0, schedule="Exponential")
"""Its range is told by the file; this one is diffusers' and ComfyUI's where the file does not."""
PLAYGROUND_SCALE = 0.5  # of latents of unit deviation

ReadNumbers = Callable[[str], Sequence[float]]


@dataclass(frozen=True, slots=True)
class Edm:
    """The noise, the latents and the prediction of such a checkpoint."""

    noise: EdmNoise
    latent: LatentFormat
    prediction: Prediction


def read_edm(
    file: str, names: Collection[str], numbers: ReadNumbers, latent: LatentFormat
) -> Edm | None:
    """What the markers among the tensors ``names`` of a checkpoint tell; None where there are none.

    ``numbers`` gives those of one tensor, ``latent`` are the family's. Raises
    :class:`ModelUnreadable`, naming ``file``, for markers that make no sense.
    """
    if all(name in names for name in EDM_LATENTS):
        mean, deviation = (tuple(map(float, numbers(name))) for name in EDM_LATENTS)
        sizes = {len(mean), len(deviation)}
        if sizes != {latent.channels} or not _are_finite(mean) or not _are_positive(deviation):
            raise _bad_markers(
                file, EDM_LATENTS, f"{latent.channels} numbers each, above 0 in the last"
            )
        own = replace(latent, scale=PLAYGROUND_SCALE, mean=mean, deviation=deviation)
        return Edm(PLAYGROUND, own, Prediction.EDM)
    if EDM_V_MAX not in names:
        return None
    high = tuple(numbers(EDM_V_MAX))
    low = tuple(numbers(EDM_V_MIN)) if EDM_V_MIN in names else (COSXL.sigma_min,)
    if len(high) != 1 or len(low) != 1 or not _are_positive(low + high) or low[0] >= high[0]:
        raise _bad_markers(
            file, (EDM_V_MIN, EDM_V_MAX), "one number each, the first below the last"
        )
    noise = replace(COSXL, sigma_min=float(low[0]), sigma_max=float(high[0]))
    return Edm(noise, latent, Prediction.V)


def _bad_markers(file: str, names: Sequence[str], wanted: str) -> ModelUnreadable:
    return ModelUnreadable(
        f"{file}: its tensors {names[0]} and {names[1]} tell of no noise: {wanted} are expected. "
        "Copy it again"
    )


def _are_finite(numbers: Sequence[float]) -> bool:
    return all(map(math.isfinite, numbers))


def _are_positive(numbers: Sequence[float]) -> bool:
    return _are_finite(numbers) and min(numbers, default=0) > 0
