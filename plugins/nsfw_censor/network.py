"""The classifier: MobileNetV2 (Sandler et al., 2018) with Keras' padding, and its scores.

Weights: nsfwjs 4.3.0, one byte a value. Every normalisation is folded into its convolution when
the file is read, so that a forward pass is convolutions and additions alone.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from torch import Tensor
from torch.nn import functional

from plugins.nsfw_censor.names import CLASSES

WEIGHTS = Path(__file__).with_name("weights.safetensors")
SIDE = 224  # pixels
EPSILON = 1e-3  # of Keras' normalisation in this network
STRIDED_BLOCKS = frozenset({1, 3, 6, 13})
"""Blocks that halve the side; the others keep it, and add their input where widths agree."""

BLOCKS = 17
Layer = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Network:
    """Kernels and biases by layer name, normalisations folded in."""

    layers: Mapping[str, Layer]


def load_network(path: Path = WEIGHTS) -> Network:
    """Read the weights. About 10 MB in float32, 30 ms."""
    with safe_open(path, framework="pt") as file:
        scales = file.metadata()
        raw = {name: _dequantise(file.get_tensor(name), scales[name]) for name in file.keys()}  # noqa: SIM118
    kernels = {name.rpartition("/")[0] for name in raw if name.endswith("kernel")}
    return Network({name: _fold_normalisation(raw, name) for name in kernels})


def _dequantise(stored: Tensor, scale: str) -> Tensor:
    least, step = json.loads(scale)
    return stored.float() * step + least


def _fold_normalisation(raw: Mapping[str, Tensor], name: str) -> Layer:
    """A kernel (out, in/groups, h, w) or (out, in), and its bias (out,)."""
    if f"{name}/bias" in raw:
        return raw[f"{name}/kernel"].T.contiguous(), raw[f"{name}/bias"]
    if f"{name}/depthwise_kernel" in raw:
        kernel = raw[f"{name}/depthwise_kernel"].permute(2, 3, 0, 1)  # (channels, 1, h, w)
    else:
        kernel = raw[f"{name}/kernel"].permute(3, 2, 0, 1)  # (out, in, h, w)
    norm = _norm_of(name)
    gain = raw[f"{norm}/gamma"] / (raw[f"{norm}/moving_variance"] + EPSILON).sqrt()  # (out,)
    bias = raw[f"{norm}/beta"] - raw[f"{norm}/moving_mean"] * gain  # (out,)
    return (kernel * gain[:, None, None, None]).contiguous(), bias


def _norm_of(layer: str) -> str:
    return {"Conv1": "bn_Conv1", "Conv_1": "Conv_1_bn"}.get(layer, f"{layer}_BN")


@torch.inference_mode()
def probabilities(network: Network, pictures: Sequence[Image.Image]) -> list[dict[str, float]]:
    """Class -> probability of each picture, five that sum to 1.

    Transparent parts are judged as they are stored, whatever lies under them.
    """
    rows = torch.stack([_to_input(picture) for picture in pictures])  # (n, 3, 224, 224) in 0..1
    scores = forward(network, rows)  # (n, 5)
    return [dict(zip(CLASSES, row.tolist(), strict=True)) for row in scores]


def _to_input(picture: Image.Image) -> Tensor:
    small = picture.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    values = np.asarray(small, dtype=np.float32) / 255  # (224, 224, 3)
    return torch.from_numpy(values).permute(2, 0, 1)


def forward(network: Network, rows: Tensor) -> Tensor:
    """(n, 3, 224, 224) in 0..1 -> (n, 5) probabilities. Differentiable in ``rows``."""
    layers = network.layers
    x = functional.relu6(_strided_convolution(rows, layers["Conv1"], groups=1))  # (n, 32, 112, 112)
    for number in range(BLOCKS):
        x = _block(layers, x, number)
    x = functional.relu6(functional.conv2d(x, *layers["Conv_1"]))  # (n, 1280, 7, 7)
    x = x.mean(dim=(2, 3))  # (n, 1280)
    x = functional.relu(functional.linear(x, *layers["dense_1"]))  # (n, 256)
    x = functional.relu(functional.linear(x, *layers["dense_2"]))  # (n, 128)
    return functional.linear(x, *layers["dense_3"]).softmax(dim=1)  # (n, 5)


def _block(layers: Mapping[str, Layer], x: Tensor, number: int) -> Tensor:
    """An inverted residual: widen, filter each channel, narrow; the first has nothing to widen."""
    name = f"block_{number}" if number else "expanded_conv"
    inner = x
    if number:
        inner = functional.relu6(functional.conv2d(x, *layers[f"{name}_expand"]))
    depthwise, groups = layers[f"{name}_depthwise"], inner.shape[1]
    if number in STRIDED_BLOCKS:
        inner = _strided_convolution(inner, depthwise, groups)
    else:
        inner = functional.conv2d(inner, *depthwise, padding=1, groups=groups)
    inner = functional.conv2d(functional.relu6(inner), *layers[f"{name}_project"])
    return x + inner if inner.shape == x.shape else inner


def _strided_convolution(x: Tensor, layer: Layer, groups: int) -> Tensor:
    # Keras pads to the right and below where a stride of 2 leaves one row over.
    return functional.conv2d(functional.pad(x, (0, 1, 0, 1)), *layer, stride=2, groups=groups)
