"""What the configurations in a folder of diffusers say beyond its tensors' shapes. No torch."""

import math
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from generator.models.diffusers_folders import (
    CONFIG,
    SCHEDULER_CONFIG,
    SECOND_TEXT,
    TEXT,
    UNET,
    VAE,
)
from generator.models.families.family import EdmNoise, LatentFormat, Prediction
from generator.models.families.ldm.edm import PLAYGROUND, Edm
from generator.models.families.ldm.sizes import Config, Hints
from generator.models.plain_files import read_object

PREDICTIONS = {each.value: each for each in (Prediction.EPSILON, Prediction.V)}
SCHEDULES = {"karras": "Karras", "exponential": "Exponential"}
ACTIVATIONS = ("quick_gelu", "gelu")
CELL = 8  # pixels a side of one latent cell


def folder_hints(folder: Path, parts: Collection[str], latent: LatentFormat) -> Hints:
    """The hints for a folder's networks, ``parts``; ``latent`` are its family's.

    What is missing or makes no sense is left to the family's rule.
    """
    unet, vae, scheduler = (
        read_object(folder / name)
        for name in (f"{UNET}/{CONFIG}", f"{VAE}/{CONFIG}", SCHEDULER_CONFIG)
    )
    heads = unet.get("num_attention_heads") or unet.get("attention_head_dim")
    side = unet.get("sample_size")
    return Hints(
        unet=_sizes({"attention_head_dim": heads, "norm_num_groups": unet.get("norm_num_groups")}),
        vae=_sizes({key: vae.get(key) for key in ("scaling_factor", "norm_num_groups")}),
        texts=tuple(_text_config(folder / part) for part in (TEXT, SECOND_TEXT) if part in parts),
        prediction=PREDICTIONS.get(str(scheduler.get("prediction_type"))),
        zero_terminal_snr=scheduler.get("rescale_betas_zero_snr") is True,
        default_size=side * CELL if isinstance(side, int) and _is_size(side) else None,
        edm=_edm(scheduler, vae, latent),
    )


def _text_config(part: Path) -> Config:
    """Heads and activation of one text encoder."""
    told = read_object(part / CONFIG)
    activation = told.get("hidden_act")
    known = {"hidden_act": activation} if activation in ACTIVATIONS else {}
    return _sizes({"num_attention_heads": told.get("num_attention_heads")}) | known


def _edm(scheduler: Config, vae: Config, latent: LatentFormat) -> Edm | None:
    """The continuous noise that one of diffusers' EDM schedulers is set to."""
    if not str(scheduler.get("_class_name")).startswith("EDM"):
        return None
    low, high, data = (
        _number(scheduler.get(key), getattr(PLAYGROUND, key))
        for key in ("sigma_min", "sigma_max", "sigma_data")
    )
    if low >= high:
        low, high = PLAYGROUND.sigma_min, PLAYGROUND.sigma_max
    schedule = SCHEDULES.get(str(scheduler.get("sigma_schedule")), PLAYGROUND.schedule)
    mean, deviation = (_numbers(vae.get(key)) for key in ("latents_mean", "latents_std"))
    if len(mean) == len(deviation) == latent.channels and min(deviation) > 0:
        scale = _number(vae.get("scaling_factor"), latent.scale)
        latent = replace(latent, scale=scale, mean=mean, deviation=deviation)
    is_v = scheduler.get("prediction_type") == Prediction.V
    return Edm(
        EdmNoise(low, high, data, schedule), latent, Prediction.V if is_v else Prediction.EDM
    )


def _sizes(config: Config) -> Config:
    """The entries that are sizes, or lists of them."""
    return {
        key: value
        for key, value in config.items()
        if _is_size(value) or (isinstance(value, list) and value and all(map(_is_size, value)))
    }


def _is_size(value: object) -> bool:
    return _number(value, 0.0) > 0


def _number(value: object, usual: float) -> float:
    """A finite number above 0, else the usual one."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return usual
    return float(value) if math.isfinite(value) and value > 0 else usual


def _numbers(value: object) -> tuple[float, ...]:
    """A list of numbers, however deep it is nested; nothing for all else."""
    if isinstance(value, list):
        parts = [_numbers(each) for each in value[:64]]
        return tuple(number for part in parts for number in part) if all(parts) else ()
    if not isinstance(value, int | float) or isinstance(value, bool):
        return ()
    return (float(value),) if math.isfinite(value) else ()
