"""Finds faces by RetinaFace with ResNet-50 (Deng et al., 2020), weights as facexlib publishes them.

Numbers are those that AUTOMATIC1111 gives it (contract section 5.7). The network is written as a
function of its weights; widths and the number of blocks are the file's.
"""

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from generator.faces.face import Face, Pixels
from generator.models.layers import Weights, convolve, count_blocks, normalise

NEEDED = "ClassHead.0.conv1x1.weight"  # a tensor that tells the network
SHORT_SIDE, LONG_SIDE = 640, 2560  # pixels that the network sees of a picture, about and at most
MEANS = (104.0, 117.0, 123.0)  # of blue, green, red
LEAST_SCORE = 0.97
MOST_OVERLAP = 0.4  # of two finds, intersection over union
MOST_CANDIDATES = 2000
LEVELS = ((8, (16, 32)), (16, (64, 128)), (32, (256, 512)))
"""Strides of the three feature maps, and the sides of the two anchors at each place; in pixels."""
VARIANCES = (0.1, 0.2)  # of places and of sizes, in anchors
NARROW = 64  # channels; narrower necks leak
Leaky = float  # what passes of a negative number


def find_faces(weights: Weights, picture: Pixels) -> list[Face]:
    """The faces of ``picture``, the surest first."""
    scale = scale_of(picture.shape[:2])
    height, width = (max(int(side / scale), 1) for side in picture.shape[:2])
    seen = cv2.resize(picture, (width, height), interpolation=cv2.INTER_LANCZOS4)
    blue_first = np.ascontiguousarray(seen[:, :, ::-1]).astype(np.float32) - np.array(
        MEANS, np.float32
    )
    pixels = torch.from_numpy(blue_first).permute(2, 0, 1)[None].to(weights[NEEDED].device)
    boxes, scores, points = run(weights, pixels)
    sure = np.flatnonzero(scores > LEAST_SCORE)
    order = sure[np.argsort(-scores[sure], kind="stable")][:MOST_CANDIDATES]
    return [
        Face(points[index].reshape(5, 2).astype(np.float64) * scale, float(scores[index]))
        for index in drop_overlaps(boxes, order)
    ]


def scale_of(size: tuple[int, ...]) -> float:
    """How many pixels of a picture of ``size`` (h, w) become one."""
    return max(min(size) / SHORT_SIDE, max(size) / LONG_SIDE)


@torch.no_grad()
def run(weights: Weights, pixels: Tensor) -> tuple[NDArray[np.float32], ...]:
    """Boxes (N,4), scores (N,), points (N,10) at all anchors, in pixels of ``pixels``."""
    features = _join_levels(weights, _backbone(weights, pixels))
    boxes, scores, points = [], [], []
    for level, (feature, (stride, sides)) in enumerate(zip(features, LEVELS, strict=True)):
        context = _widen_view(weights, f"ssh{level + 1}", feature)
        centres, sizes = _anchors(feature.shape[-2:], stride, sides)
        centres, sizes = centres.to(pixels.device), sizes.to(pixels.device)
        head = [
            convolve(weights, f"{name}.{level}.conv1x1", context).permute(0, 2, 3, 1)
            for name in ("ClassHead", "BboxHead", "LandmarkHead")
        ]
        scores.append(head[0].reshape(-1, 2).softmax(-1)[:, 1])
        place = head[1].reshape(-1, 4)
        middle = centres + place[:, :2] * VARIANCES[0] * sizes
        half = sizes * torch.exp(place[:, 2:] * VARIANCES[1]) / 2
        boxes.append(torch.cat([middle - half, middle + half], 1))
        offsets = head[2].reshape(-1, 5, 2) * VARIANCES[0] * sizes[:, None]
        points.append((centres[:, None] + offsets).flatten(1))
    return tuple(torch.cat(each).cpu().numpy() for each in (boxes, scores, points))


def drop_overlaps(boxes: NDArray[np.float32], order: NDArray[np.intp]) -> list[int]:
    """Of the boxes ``order``, the surest first, those that lie on no surer one."""
    kept: list[int] = []
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    for index in order.tolist():
        if kept:
            others = boxes[kept]
            corner = np.minimum(boxes[index, 2:], others[:, 2:])
            sides = np.maximum(corner - np.maximum(boxes[index, :2], others[:, :2]), 0)
            shared = sides.prod(axis=1)
            if (shared > MOST_OVERLAP * (areas[index] + areas[kept] - shared)).any():
                continue
        kept.append(index)
    return kept


def _anchors(size: tuple[int, ...], stride: int, sides: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Centres and sizes of a feature map's anchors, (N,2) each: row by row, side by side."""
    rows, columns = (torch.arange(count, dtype=torch.float32) + 0.5 for count in size)
    grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1).reshape(-1, 1, 2) * stride
    centres = grid.expand(-1, len(sides), 2).reshape(-1, 2)
    sizes = torch.tensor(sides, dtype=torch.float32)[None, :, None]
    return centres, sizes.expand(len(grid), -1, 2).reshape(-1, 2)


def _step(
    weights: Weights, name: str, pixels: Tensor, stride: int = 1, leak: Leaky | None = 0.0
) -> Tensor:
    """Convolution ``name.0``, normalisation ``name.1``; None leaves negative numbers."""
    pixels = normalise(weights, f"{name}.1", convolve(weights, f"{name}.0", pixels, stride))
    return pixels if leak is None else F.leaky_relu(pixels, leak)


def _backbone(weights: Weights, pixels: Tensor) -> list[Tensor]:
    """ResNet's feature maps of strides 8, 16 and 32, by torchvision's names."""
    pixels = convolve(weights, "body.conv1", pixels, 2)
    pixels = F.max_pool2d(F.relu(normalise(weights, "body.bn1", pixels)), 3, 2, 1)
    features = []
    for layer in range(1, 5):
        for block in range(count_blocks(weights, f"body.layer{layer}.", ".conv1.weight")):
            stride = 2 if layer > 1 and block == 0 else 1
            pixels = _bottleneck(weights, f"body.layer{layer}.{block}", pixels, stride)
        features.append(pixels)
    return features[1:]


def _bottleneck(weights: Weights, name: str, pixels: Tensor, stride: int) -> Tensor:
    inner = pixels
    for number, own_stride in ((1, 1), (2, stride), (3, 1)):
        inner = convolve(weights, f"{name}.conv{number}", inner, own_stride)
        inner = normalise(weights, f"{name}.bn{number}", inner)
        inner = F.relu(inner) if number < 3 else inner
    if f"{name}.downsample.0.weight" in weights:
        pixels = _step(weights, f"{name}.downsample", pixels, stride, leak=None)
    return F.relu(inner + pixels)


def _leak_of(weights: Weights) -> Leaky:
    return 0.1 if len(weights["fpn.output1.0.weight"]) <= NARROW else 0.0


def _join_levels(weights: Weights, features: list[Tensor]) -> list[Tensor]:
    """Each feature map with what the coarser ones see (feature pyramid)."""
    leak = _leak_of(weights)
    fine, middle, coarse = (
        _step(weights, f"fpn.output{number}", feature, leak=leak)
        for number, feature in enumerate(features, 1)
    )
    middle = middle + F.interpolate(coarse, middle.shape[-2:], mode="nearest")
    middle = _step(weights, "fpn.merge2", middle, leak=leak)
    fine = fine + F.interpolate(middle, fine.shape[-2:], mode="nearest")
    return [_step(weights, "fpn.merge1", fine, leak=leak), middle, coarse]


def _widen_view(weights: Weights, name: str, feature: Tensor) -> Tensor:
    """Views of 3, 5 and 7 cells side by side (the context module of SSH)."""
    leak = _leak_of(weights)
    near = _step(weights, f"{name}.conv3X3", feature, leak=None)
    wider = _step(weights, f"{name}.conv5X5_1", feature, leak=leak)
    middle = _step(weights, f"{name}.conv5X5_2", wider, leak=None)
    widest = _step(weights, f"{name}.conv7X7_2", wider, leak=leak)
    far = _step(weights, f"{name}.conv7x7_3", widest, leak=None)
    return F.relu(torch.cat([near, middle, far], 1))
