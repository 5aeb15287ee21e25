"""Noise with a picture's spectrum and histogram, for outpainting.

What the picture shows gives the amplitudes and phases, noise is laid over them in the frequency
domain, and each channel's histogram is brought to the picture's (histogram matching; Gonzalez and
Woods, "Digital Image Processing", section 3.3).
"""

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]


def make_matched_noise(
    picture: Array, mask: Array, exponent: float = 1.0, variation: float = 0.05
) -> Array:
    """``picture`` (H,W,3) in 0..1 with noise where ``mask`` (H,W) is 1.

    ``exponent`` raises the picture's amplitudes: the lower, the more detail. ``variation`` is how
    colourful the noise is, 0..1. The same arguments give the same noise.
    """
    keep = (1.0 - mask)[..., None]
    visible = picture * keep
    # the mean is that of all there is, the old picture's edge below the mask included
    bright = visible / (visible.max() or 1.0) + picture.mean() * mask[..., None]
    spectrum = _to_spectrum(bright)
    amplitude = np.abs(spectrum)
    phase = np.divide(spectrum, amplitude, out=np.zeros_like(spectrum), where=amplitude > 0)
    noise = np.abs(_to_spectrum(_smooth_noise(picture.shape[:2], variation))) ** 2
    shaped = _from_spectrum(noise * amplitude**exponent * phase)
    shaped -= shaped.min()
    shaped /= shaped.max() or 1.0
    new, old = mask > 1e-6, mask < 1e-3
    if new.any() and old.any():
        for channel in range(3):
            shaped[new, channel] = _match_histogram(shaped[new, channel], visible[old, channel])
    blended: Array = np.clip(visible * keep + shaped * mask[..., None], 0, 1)
    return blended


def _smooth_noise(size: tuple[int, int], variation: float) -> Array:
    """White noise behind a window that lets low frequencies pass, (H,W,3)."""
    colours = np.random.default_rng(0).random((*size, 3))
    grey = colours.mean(2, keepdims=True)
    mixed = colours * variation + grey * (1 - variation)
    return _from_spectrum(_to_spectrum(mixed) * _low_pass_window(size)[..., None])


def _low_pass_window(size: tuple[int, int]) -> Array:
    """Falls off from the middle, (H,W): 1 / ((x^2 + 1) (y^2 + 1))."""
    least = min(size)
    rows, columns = ((np.arange(side) / side * 2 - 1) * side / least for side in size)
    return np.asarray(1 / ((rows[:, None] ** 2 + 1) * (columns[None] ** 2 + 1)))


def _to_spectrum(values: Array) -> np.ndarray[Any, np.dtype[np.complex128]]:
    """Of each channel, (H,W,C), frequency 0 in the middle."""
    axes = (0, 1)
    return np.fft.ifftshift(
        np.fft.fft2(np.fft.fftshift(values, axes), axes=axes, norm="ortho"), axes
    )


def _from_spectrum(spectrum: np.ndarray[Any, np.dtype[np.complex128]]) -> Array:
    """The other way, (H,W,C)."""
    axes = (0, 1)
    shifted = np.fft.ifft2(np.fft.fftshift(spectrum, axes), axes=axes, norm="ortho")
    return np.real(np.fft.ifftshift(shifted, axes))


def _match_histogram(values: Array, wanted: Array) -> Array:
    """``values`` (n,) moved so that they are distributed as ``wanted`` (m,)."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    levels, amounts = np.unique(wanted, return_counts=True)
    shares = np.cumsum(counts) / values.size
    return np.interp(shares, np.cumsum(amounts) / wanted.size, levels)[places]
