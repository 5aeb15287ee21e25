"""What units change in the U-Net's answer itself (contract section 10.5): ``inpaint_only`` keeps
what is known, ``tile_colorfix`` keeps the picture's colours.
"""

from torch import Tensor
from torch.nn import functional

from generator.control.prepared_unit import PreparedUnit
from generator.models.families.family import Prediction

POOL, STRIDE, GROWN = 10, 8, 1  # pixels: a cell counts as masked a little beyond its own 8
SHARPNESS = 0.01


def correct_output(
    ready: PreparedUnit,
    latent: Tensor,
    x: Tensor,
    output: Tensor,
    *,
    alpha: Tensor,
    prediction: Prediction,
    positive: Tensor,
    large: bool,
) -> Tensor:
    """``output`` (B,4,h,w), the U-Net's answer to ``x`` (B,4,h,w), as the unit wants it.

    ``latent`` (B,4,h,w) is the unit's picture, ``alpha`` (B,1,1,1) the picture's share in x,
    ``positive`` (B,1,1,1) is 1 in rows of the prompt, ``large`` the second pass of hires fix.
    """
    clean = _to_clean_latent(x, output, alpha, prediction)
    if ready.module.name == "inpaint_only":
        wanted = _keep_known(ready, latent, clean)
    else:
        wanted = _keep_colours(ready, latent, clean, positive, large)
    weight = min(max(ready.unit.weight, 0.0), 1.0)
    return _to_output(x, wanted, alpha, prediction) * weight + output * (1 - weight)


def _keep_known(ready: PreparedUnit, latent: Tensor, clean: Tensor) -> Tensor:
    mask = ready.mask_at((clean.shape[-1] * 8, clean.shape[-2] * 8)).to(clean)  # (1,1,8h,8w)
    cells = functional.max_pool2d(mask, POOL, stride=STRIDE, padding=GROWN)  # (1,1,h,w)
    return latent * (1 - cells) + clean * cells


def _keep_colours(
    ready: PreparedUnit, latent: Tensor, clean: Tensor, positive: Tensor, large: bool
) -> Tensor:
    reach = int(ready.unit.threshold_a) * (2 if large else 1)
    wanted = clean - _blur(clean, reach) + _blur(latent, reach)
    if "+sharp" not in ready.module.name:
        return wanted
    share = SHARPNESS * float(ready.unit.threshold_b)
    soft = share * _blur(wanted, reach) + (1 - share) * wanted
    return positive * wanted + (1 - positive) * soft


def _blur(latent: Tensor, reach: int) -> Tensor:
    """The mean of a square of ``2 * reach + 1`` cells."""
    padded = functional.pad(latent, (reach,) * 4, mode="replicate")
    return functional.avg_pool2d(padded, 2 * reach + 1, stride=1)


def _to_clean_latent(x: Tensor, output: Tensor, alpha: Tensor, prediction: Prediction) -> Tensor:
    if prediction is Prediction.EDM:
        output, prediction = -output, Prediction.V  # F is minus v of latents of unit deviation
    if prediction is Prediction.V:
        return alpha.sqrt() * x - (1 - alpha).sqrt() * output
    return (x - (1 - alpha).sqrt() * output) / alpha.sqrt()


def _to_output(x: Tensor, clean: Tensor, alpha: Tensor, prediction: Prediction) -> Tensor:
    """The U-Net's answer that means ``clean``."""
    noise = (x - alpha.sqrt() * clean) / (1 - alpha).sqrt()
    velocity = alpha.sqrt() * noise - (1 - alpha).sqrt() * clean
    if prediction is Prediction.EDM:
        return -velocity
    return velocity if prediction is Prediction.V else noise
