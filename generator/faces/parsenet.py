"""Which pixels of a face are skin, eyes, nose, mouth: ParseNet, weights as facexlib publishes them.

The layout is PSFR-GAN's (Chen et al., 2021). Written as a function of the weights.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from generator.models.layers import Weights, convolve, count_blocks, normalise

NEEDED = "out_mask_conv.conv2d.weight"  # a tensor that tells the network
LEFT_AS_THEY_ARE = (0, 14, 16, 17, 18)
"""Classes that stay as the picture has them: background, hair and what is worn."""
LEAK = 0.2
CONVOLUTION = ".conv1.conv2d.weight"  # of a block


@torch.no_grad()
def find_face_pixels(weights: Weights, face: Tensor) -> NDArray[np.float32]:
    """1 where ``face`` (1,3,512,512; RGB, -1..1) is face, 0 elsewhere; (512,512)."""
    seen = _convolve(weights, "encoder.0", face)
    for block in range(1, count_blocks(weights, "encoder.", CONVOLUTION, first=1)):
        seen = _residual(weights, f"encoder.{block}", seen, down=True)
    body = seen
    for block in range(count_blocks(weights, "body.", CONVOLUTION)):
        body = _residual(weights, f"body.{block}", body)
    drawn = seen + body
    for block in range(count_blocks(weights, "decoder.", CONVOLUTION)):
        drawn = _residual(weights, f"decoder.{block}", drawn, up=True)
    classes = _convolve(weights, "out_mask_conv", drawn)[0].argmax(0).cpu().numpy()
    return np.isin(classes, LEFT_AS_THEY_ARE, invert=True).astype(np.float32)


def _convolve(weights: Weights, name: str, pixels: Tensor, stride: int = 1) -> Tensor:
    """A convolution of 3 x 3 that reflects at the edges, normalised where it was trained so."""
    padded = F.pad(pixels, (1, 1, 1, 1), mode="reflect")
    pixels = convolve(weights, f"{name}.conv2d", padded, stride, padding=0)
    normed = f"{name}.norm.norm" if f"{name}.norm.norm.weight" in weights else ""
    return normalise(weights, normed, pixels) if normed else pixels


def _residual(
    weights: Weights, name: str, pixels: Tensor, *, down: bool = False, up: bool = False
) -> Tensor:
    stride = 2 if down else 1
    if up:
        pixels = F.interpolate(pixels, scale_factor=2, mode="nearest")
    inner = F.leaky_relu(_convolve(weights, f"{name}.conv1", pixels), LEAK)
    inner = _convolve(weights, f"{name}.conv2", inner, stride)
    if f"{name}.shortcut_func.conv2d.weight" in weights:
        pixels = _convolve(weights, f"{name}.shortcut_func", pixels, stride)
    return pixels + inner
