"""Deep shrink: coherent composition of pictures larger than a checkpoint was trained at.

While noise is high, the features after the U-Net's first downsampler are scaled down so that the
inner levels see as much as at the trained size, and up again before the last up block (Kohya Deep
Shrink, kohya-ss 2023; ComfyUI's PatchModelAddDownscale). For checkpoints whose metadata tells
their size. Measured on the default one, 512 x 512, 16 prompts: the object is right in 56 % instead
of 37.5 %, the place in 87.5 % instead of 62.5 %.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import interpolate

LAST_TIMESTEP = 640.0  # of 999..0: seven of twenty steps; ten gave the same
MIN_SIZE_RATIO = 1.25  # times the learned size, from which on it helps
_SIDE_MULTIPLE = 4  # inner levels halve twice more


def is_shrunk(x: Tensor, t: Tensor, trained_size: int | None) -> bool:
    """Whether :func:`shrink_features` does anything to a call; the same for its rows alone."""
    if not trained_size or _ratio(x, trained_size) > 1 / MIN_SIZE_RATIO:
        return False
    return float(t.min()) >= LAST_TIMESTEP


def _ratio(x: Tensor, trained_size: int) -> float:
    return trained_size / (8 * min(x.shape[-2:]))


@contextmanager
def shrink_features(unet: Any, x: Tensor, t: Tensor, trained_size: int | None) -> Iterator[None]:
    """While open, ``unet`` draws latents ``x`` (B,c,h,w) at timesteps ``t`` (B,) with deep shrink.

    ``trained_size`` is the checkpoint's size in pixels, None where it is not known: nothing is done
    then, nor where ``x`` is less than 1.25 times as large or the noise of any row is low.
    """
    if trained_size is None or not is_shrunk(x, t, trained_size):
        yield
        return
    ratio = _ratio(x, trained_size)

    def shrink(module: nn.Module, args: Any, features: Tensor) -> Tensor:
        sides = [
            max(1, round(side * ratio / _SIDE_MULTIPLE)) * _SIDE_MULTIPLE
            for side in features.shape[-2:]
        ]
        return interpolate(features, size=sides, mode="bilinear")  # (B,c,h/2,w/2) -> smaller

    def widen(module: nn.Module, args: Any, named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        size = named["res_hidden_states_tuple"][-1].shape[-2:]
        widened = interpolate(named["hidden_states"], size=size, mode="bilinear")
        return args, {**named, "hidden_states": widened}

    with ExitStack() as hooks:
        inwards, outwards = unet.down_blocks[0].downsamplers[-1], unet.up_blocks[-1]
        for handle in (
            inwards.register_forward_hook(shrink),
            outwards.register_forward_pre_hook(widen, with_kwargs=True),
        ):
            hooks.callback(handle.remove)
        yield
