"""Detectors as owners bring them, of a few numbers, made on the spot."""

from pathlib import Path

import numpy as np
import torch

from generator.models import torchvision_ops
from tests.onnx_files import field, node, number, tensor, value

torchvision_ops.prepare()  # before transformers
from diffusers.pipelines.stable_diffusion.safety_checker import (  # noqa: E402
    StableDiffusionSafetyChecker,
)
from transformers import CLIPConfig  # noqa: E402

NAMES = ("FACE_FEMALE", "FEMALE_BREAST_EXPOSED", "BELLY_EXPOSED")
SIDE = 32


def make_checker(folder: Path, *, threshold: float) -> None:
    """A safety checker of random weights; below -1 its threshold flags every picture."""
    torch.manual_seed(0)
    tower = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    tower |= {"num_attention_heads": 2, "image_size": SIDE, "patch_size": 16}
    network = StableDiffusionSafetyChecker(CLIPConfig(vision_config=tower, projection_dim=8))
    torch.nn.init.normal_(network.concept_embeds)
    torch.nn.init.normal_(network.special_care_embeds)
    network.concept_embeds_weights.fill_(threshold)
    network.special_care_embeds_weights.fill_(2.0)
    network.save_pretrained(folder)


def make_onnx(path: Path, names: tuple[str, ...] = NAMES, rows: int | None = None) -> None:
    """A network with NudeNet's input, output and metadata: a picture's red is exposure.

    images (1, 3, side, side) -> its mean (1, 3, 1, 1) -> (1, 4 + classes, 1).
    """
    count = rows or 4 + len(names)
    kernel = np.zeros((count, 3, 1, 1), dtype=np.float32)
    kernel[5, 0] = 1.0  # NAMES[1] behind four rows of boxes
    kernel[4, 2] = 1.0  # NAMES[0] sees blue
    shape = np.array([1, count, 1], dtype=np.int64)
    graph = b"".join(
        (
            field(1, node("GlobalAveragePool", ["images"], "mean")),
            field(1, node("Conv", ["mean", "kernel"], "found")),
            field(1, node("Reshape", ["found", "shape"], "output0")),
            field(2, b"tiny"),
            field(5, tensor("kernel", kernel, 1)),
            field(5, tensor("shape", shape, 7)),
            field(11, value("images", (1, 3, SIDE, SIDE))),
            field(12, value("output0", (1, count, 1))),
        )
    )
    metadata = {"names": str(dict(enumerate(names))), "imgsz": f"[{SIDE}, {SIDE}]"}
    properties = b"".join(
        field(14, field(1, key.encode()) + field(2, text.encode()))
        for key, text in metadata.items()
    )
    opset = field(8, number(2, 13))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(number(1, 8) + opset + field(7, graph) + properties)
