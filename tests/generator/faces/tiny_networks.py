"""The smallest face networks: they find and paint what a test expects, and are read as real ones.

The detector sees a face around each bright dot, or, with ``always``, one in the middle of any
picture of equal sides. The restorer paints each face in one colour.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from generator.faces.alignment import TEMPLATE
from generator.models import torchvision_ops

COLOUR = (200, 40, 90)  # what the restorer paints
WIDTH = 4  # channels of the detector
FACE_SIDE = 128  # pixels of the face that the detector sees around a dot
DETECTOR, PARSER = "detection_Resnet50_Final", "parsing_parsenet"
Tensors = dict[str, Tensor]


def write_networks(models: Path, *, always: bool = False, names: tuple[str, ...] = ()) -> None:
    """A detector and restorers under a data directory's ``models``, GFPGAN's place unless
    ``names`` (``"Codeformer/codeformer"``) say otherwise.
    """
    for folder in ("GFPGAN", "Codeformer"):
        (models / folder).mkdir(parents=True, exist_ok=True)
    save_file(detector(always=always), models / "GFPGAN" / f"{DETECTOR}.safetensors")
    for name in names or ("GFPGAN/RestoreFormer",):
        save_file(restorer(), models / f"{name}.safetensors")


def detector(*, always: bool = False) -> Tensors:
    """RetinaFace: the brightness at a cell's middle, handed on, is its certainty."""
    tensors: Tensors = {}
    _add_step(tensors, "body.conv1", "body.bn1", (WIDTH, 3, 7, 7))
    tensors["body.conv1.weight"][0, :, 3, 3] = 0.0 if always else 1 / 3
    for layer in range(1, 5):
        name = f"body.layer{layer}.0"
        for number, kernel in ((1, 1), (2, 3), (3, 1)):
            shape = (WIDTH, WIDTH, kernel, kernel)
            _add_step(tensors, f"{name}.conv{number}", f"{name}.bn{number}", shape)
        _add_step(tensors, f"{name}.downsample.0", f"{name}.downsample.1", through=True)
    for number in (1, 2, 3):
        _add_step(tensors, f"fpn.output{number}.0", f"fpn.output{number}.1", through=number == 1)
        for part, count in (
            ("conv3X3", 2), ("conv5X5_1", 1), ("conv5X5_2", 1), ("conv7X7_2", 1), ("conv7x7_3", 1),
        ):  # fmt: skip
            width = 1 if part in ("conv5X5_2", "conv7X7_2", "conv7x7_3") else WIDTH
            _add_step(
                tensors, f"ssh{number}.{part}.0", f"ssh{number}.{part}.1", (count, width, 3, 3)
            )
        tensors[f"ssh{number}.conv3X3.0.weight"][0, 0, 1, 1] = 1.0
        _add_heads(tensors, number - 1, always=always)
    for number in (1, 2):
        name = f"fpn.merge{number}"
        _add_step(tensors, f"{name}.0", f"{name}.1", (WIDTH, WIDTH, 3, 3))
        tensors[f"{name}.0.weight"][0, 0, 1, 1] = 1.0
    return tensors


def _add_step(
    tensors: Tensors,
    convolution: str,
    norm: str,
    shape: tuple[int, ...] = (WIDTH, WIDTH, 1, 1),
    *,
    through: bool = False,
) -> None:
    weight = torch.zeros(shape)
    if through:
        weight[:, :, 0, 0] = torch.eye(WIDTH)
    tensors[f"{convolution}.weight"] = weight
    for part, value in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
        tensors[f"{norm}.{part}"] = torch.full((shape[0],), float(value))


def _add_heads(tensors: Tensors, level: int, *, always: bool) -> None:
    sure = {"weight": torch.zeros(4, WIDTH, 1, 1), "bias": torch.tensor([9.0, -9.0] * 2)}
    sizes, points = torch.zeros(8), torch.zeros(2, 5, 2)
    template = torch.tensor(TEMPLATE, dtype=torch.float32)
    if level == 0 and not always:  # anchors of 32 pixels
        sure["weight"][3, 0] = 1.0
        sure["bias"][2:] = torch.tensor([0.0, -50.0])
        points[1] = (template - 256) * FACE_SIDE / 512 / 3.2
    if level == 2 and always:  # anchors of 512, so large that one of them alone is kept
        sure["bias"][2:] = torch.tensor([-9.0, 9.0])
        sizes[6:] = 10.0
        points[1] = ((template - 256) + 320 - 16) / 51.2
    for name, head in (
        ("ClassHead", sure),
        ("BboxHead", {"weight": torch.zeros(8, WIDTH, 1, 1), "bias": sizes}),
        ("LandmarkHead", {"weight": torch.zeros(20, WIDTH, 1, 1), "bias": points.flatten()}),
    ):
        tensors |= {f"{name}.{level}.conv1x1.{part}": value for part, value in head.items()}


def restorer(colour: tuple[int, int, int] = COLOUR) -> Tensors:
    """A RestoreFormer of one level without attention that paints ``colour``."""
    torchvision_ops.prepare()
    from spandrel.architectures.RestoreFormer import RestoreFormer

    torch.manual_seed(1)
    network = RestoreFormer(
        n_embed=2, embed_dim=4, ch=32, ch_mult=(1,), num_res_blocks=1, z_channels=4,
        enable_mid=False,
    )  # fmt: skip
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    tensors["decoder.conv_out.weight"].zero_()
    tensors["decoder.conv_out.bias"] = torch.tensor(colour) / 127.5 - 1
    return tensors


def parser(kind: int) -> Tensors:
    """ParseNet that calls every pixel ``kind``: 0 is background, 1 skin."""
    bias = torch.zeros(19)
    bias[kind] = 1.0
    return {
        "encoder.0.conv2d.weight": torch.zeros(2, 3, 3, 3),
        "encoder.0.conv2d.bias": torch.zeros(2),
        "out_mask_conv.conv2d.weight": torch.zeros(19, 2, 3, 3),
        "out_mask_conv.conv2d.bias": bias,
    }


def dotted(*dots: tuple[int, int], side: int = 640) -> np.ndarray:
    """A black picture (side,side,3) with white dots at cells (column, row) of 8 pixels."""
    picture = np.zeros((side, side, 3), np.uint8)
    for column, row in dots:
        picture[row * 8 - 1 : row * 8 + 2, column * 8 - 1 : column * 8 + 2] = 255
    return picture
