"""Detectors as owners bring them, of a few numbers, made on the spot."""

from pathlib import Path

import numpy as np
import torch

from generator.models import torchvision_ops

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
            _field(1, _node("GlobalAveragePool", ["images"], "mean")),
            _field(1, _node("Conv", ["mean", "kernel"], "found")),
            _field(1, _node("Reshape", ["found", "shape"], "output0")),
            _field(2, b"tiny"),
            _field(5, _tensor("kernel", kernel, 1)),
            _field(5, _tensor("shape", shape, 7)),
            _field(11, _value("images", (1, 3, SIDE, SIDE))),
            _field(12, _value("output0", (1, count, 1))),
        )
    )
    metadata = {"names": str(dict(enumerate(names))), "imgsz": f"[{SIDE}, {SIDE}]"}
    properties = b"".join(
        _field(14, _field(1, key.encode()) + _field(2, text.encode()))
        for key, text in metadata.items()
    )
    opset = _field(8, _number(2, 13))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_number(1, 8) + opset + _field(7, graph) + properties)


# Protocol buffers' wire format, as much as onnx.proto needs for this.


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _node(kind: str, inputs: list[str], output: str) -> bytes:
    given = b"".join(_field(1, name.encode()) for name in inputs)
    return given + _field(2, output.encode()) + _field(4, kind.encode())


def _tensor(name: str, values: np.ndarray, kind: int) -> bytes:
    sizes = b"".join(_number(1, size) for size in values.shape)
    return sizes + _number(2, kind) + _field(8, name.encode()) + _field(9, values.tobytes())


def _value(name: str, sizes: tuple[int, ...]) -> bytes:
    shape = b"".join(_field(1, _number(1, size)) for size in sizes)
    tensor = _number(1, 1) + _field(2, shape)
    return _field(1, name.encode()) + _field(2, _field(1, tensor))
