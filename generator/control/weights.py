"""Weight of a unit by block and step (contract section 10.5). No torch."""

from generator.control.units import BALANCED, CONTROLNET_FIELD
from generator.errors import BadRequest
from generator.request import ControlUnit

FALLOFF = 0.825  # of the soft weights, from each residual to the one before it
SD1_RESIDUALS, SDXL_RESIDUALS = 13, 10
ALWAYS_SOFT_WHEN_LARGE = ("canny", "mlsd")


def acts_in_pass(unit: ControlUnit, large: bool, passes: int) -> bool:
    """Whether a unit is for this pass, ``large`` for the second one of hires fix.

    In a job of one pass ``hr_option`` means nothing.
    """
    return passes < 2 or unit.hr_option != ("Low res only" if large else "High res only")


def is_active(unit: ControlUnit, call: int, calls_a_step: int, steps: float) -> bool:
    """Whether a unit acts in a pass's ``call``, from 0, by its guidance range.

    The share that counts is the last finished step's of all ``steps``. A step is finished once
    its first call is, and the first one counts from the start: the range lags a call (golden
    ``cn_range``).
    """
    done = max(-(-call // calls_a_step) - 1, 0)
    return unit.guidance_start <= done / max(steps, 1) <= unit.guidance_end


def transformer_weights(unit: ControlUnit, count: int) -> tuple[float, ...]:
    """What each of a U-Net's ``count`` transformers weighs an image prompt with, in their order.

    Raises :class:`BadRequest` for as many numbers of one's own as there are not transformers.
    """
    own = unit.advanced_weighting
    if own is None:
        return (unit.weight,) * count
    if len(own) != count:
        raise BadRequest(
            f"{CONTROLNET_FIELD}: advanced_weighting has {len(own)} numbers; the checkpoint has "
            f"{count} transformers and an IP-Adapter wants as many.",
            CONTROLNET_FIELD,
        )
    return tuple(max(weight, 0.0) for weight in own)


def residual_weights(unit: ControlUnit, count: int, large: bool) -> tuple[float, ...]:
    """What each residual is multiplied with, skips from the finest first, the middle last.

    ``large`` is the second pass of hires fix, where edges always weigh softly. Raises
    :class:`BadRequest` for as many numbers of one's own as there are not residuals.
    """
    own = unit.advanced_weighting
    if own is not None:
        if len(own) != count:
            raise BadRequest(
                f"{CONTROLNET_FIELD}: advanced_weighting has {len(own)} numbers; this "
                f"ControlNet adds {count} "
                "residuals and wants as many.",
                CONTROLNET_FIELD,
            )
        return own
    edges = large and any(word in unit.module for word in ALWAYS_SOFT_WHEN_LARGE)
    if unit.control_mode == BALANCED and not edges:
        return (unit.weight,) * count
    # SDXL takes the first of SD1's weights, so that its middle does not weigh the whole weight.
    full = SD1_RESIDUALS if count == SDXL_RESIDUALS else count
    return tuple(unit.weight * FALLOFF ** (full - 1 - place) for place in range(count))
