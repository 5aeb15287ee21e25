"""Resizes pictures and latents (contract sections 5.1, 5.2 and 5.8)."""

from collections.abc import Callable

from PIL import Image
from torch import Tensor
from torch.nn import functional

LATENT_MODES: dict[str, tuple[str, bool]] = {  # name -> interpolation, antialiasing
    "Latent": ("bilinear", False),
    "Latent (antialiased)": ("bilinear", True),
    "Latent (bicubic)": ("bicubic", False),
    "Latent (bicubic antialiased)": ("bicubic", True),
    "Latent (nearest)": ("nearest", False),
    "Latent (nearest-exact)": ("nearest-exact", False),
}
IMAGE_MODES = {
    "None": Image.Resampling.LANCZOS,
    "Lanczos": Image.Resampling.LANCZOS,
    "Nearest": Image.Resampling.NEAREST,
}
JUST_RESIZE, CROP, FILL = 0, 1, 2

Resample = Callable[[Image.Image, tuple[int, int]], Image.Image]
"""A picture at another size (width, height)."""


def resize_lanczos(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """``image`` as ``size``, interpolated."""
    return image.resize(size, Image.Resampling.LANCZOS)


def always_lanczos(name: str | None) -> Resample:
    """Where there are no upscalers to choose from."""
    return resize_lanczos


def resize_latent(latent: Tensor, size: tuple[int, int], mode: str = "Latent") -> Tensor:
    """``latent`` (B,4,h,w) at ``size`` (width, height) in latent cells."""
    interpolation, antialias = LATENT_MODES[mode]
    return functional.interpolate(
        latent, size=(size[1], size[0]), mode=interpolation, antialias=antialias
    )


def resize_image(
    image: Image.Image,
    size: tuple[int, int],
    mode: int = JUST_RESIZE,
    resample: Resample = resize_lanczos,
) -> Image.Image:
    """``image`` as ``size`` (width, height).

    Mode 0 stretches, 1 covers and crops, 2 fits and stretches its edges into the rest.
    """
    if mode == JUST_RESIZE:
        return resample(image, size)
    wider = size[0] * image.height > image.width * size[1]  # than the image
    by_width = wider if mode == CROP else not wider
    inner = (
        (size[0], max(image.height * size[0] // image.width, 1))
        if by_width
        else (max(image.width * size[1] // image.height, 1), size[1])
    )
    resized = resample(image, inner)
    canvas = Image.new("RGB", size)
    left, top = size[0] // 2 - inner[0] // 2, size[1] // 2 - inner[1] // 2
    canvas.paste(resized, (left, top))
    if mode == FILL:
        _stretch_edges(canvas, resized, left, top)
    return canvas


def _stretch_edges(canvas: Image.Image, image: Image.Image, left: int, top: int) -> None:
    """Fill what ``image`` leaves free of ``canvas`` with its outermost rows or columns."""
    width, height = canvas.size
    below, beside = height - top - image.height, width - left - image.width
    if top > 0:
        first = image.resize((width, top), box=(0, 0, width, 0))
        canvas.paste(first, (0, 0))
    if below > 0:
        last = image.resize((width, below), box=(0, image.height, width, image.height))
        canvas.paste(last, (0, top + image.height))
    if left > 0:
        first = image.resize((left, height), box=(0, 0, 0, height))
        canvas.paste(first, (0, 0))
    if beside > 0:
        last = image.resize((beside, height), box=(image.width, 0, image.width, height))
        canvas.paste(last, (left + image.width, 0))
