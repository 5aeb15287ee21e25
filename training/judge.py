"""Classifier that names the object in a picture, trained on drawings only."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from training.objects import OBJECTS

FILE = Path(__file__).with_name("judge.safetensors")
NAMES = tuple(OBJECTS)
SIDE = 64  # pixels of what it looks at
WHOLE = (0.0, 0.0, 1.0, 1.0)
_WIDTHS = (24, 48, 96, 128, 128)

Box = tuple[float, float, float, float]  # left, top, right, bottom in 0..1 of the picture


class Judge(nn.Module):
    """Five convolutions of stride 2, one answer for each name. 0.63 MB in fp16."""

    def __init__(self, answers: int = len(NAMES), side: int = SIDE) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, width in zip((3, *_WIDTHS), _WIDTHS, strict=False):
            layers += [nn.Conv2d(before, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(_WIDTHS[-1] * (side >> len(_WIDTHS)) ** 2, answers)

    def forward(self, views: Tensor) -> Tensor:
        """Views (B, 3, side, side) in -1..1 as unnormalised log-likelihoods (B, answers)."""
        return self.head(self.body(views).flatten(1))


def view(image: Image.Image, box: Box = WHOLE, side: int = SIDE) -> np.ndarray:
    """What lies in the box (side, side, 3), squared around its middle, edges repeated outside."""
    pixels = np.asarray(image.convert("RGB"))
    high, wide = pixels.shape[:2]
    x, y = (box[0] + box[2]) / 2 * wide, (box[1] + box[3]) / 2 * high
    half = max((box[2] - box[0]) * wide, (box[3] - box[1]) * high, 8) / 2
    rows = np.clip(np.arange(round(y - half), round(y + half)), 0, high - 1)
    columns = np.clip(np.arange(round(x - half), round(x + half)), 0, wide - 1)
    cut = Image.fromarray(np.ascontiguousarray(pixels[rows][:, columns]))
    return np.asarray(cut.resize((side, side), Image.Resampling.BOX))


def widen_box(box: Box, share: float = 0.12) -> Box:
    """The box with a margin of ``share`` of its longer side all around."""
    margin = share * max(box[2] - box[0], box[3] - box[1])
    return box[0] - margin, box[1] - margin, box[2] + margin, box[3] + margin


def as_batch(views: Sequence[np.ndarray]) -> Tensor:
    """Views (side, side, 3) of 0..255 as one batch (B, 3, side, side) in -1..1."""
    return torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2).float() / 127.5 - 1


@torch.no_grad()
def name_views(judge: Judge, views: Sequence[np.ndarray]) -> list[str]:
    """The name that the judge gives to each view."""
    answers: list[str] = []
    for start in range(0, len(views), 128):
        likely = judge(as_batch(views[start : start + 128]))  # (B, names)
        answers += [NAMES[int(index)] for index in likely.argmax(1)]
    return answers


def write(
    judge: Judge, path: Path, accuracy: dict[str, float], names: Sequence[str] = NAMES
) -> None:
    """Write the weights, fp16, with the judge's own accuracy in the metadata."""
    halved = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in judge.state_dict().items()
    }
    metadata = {key: f"{value:.4f}" for key, value in accuracy.items()}
    save_file(halved, path, metadata={"format": "pt", "easel.names": ",".join(names), **metadata})


def read(path: Path = FILE, blank: Judge | None = None) -> Judge:
    """The judge, fp32 on the CPU, ready to answer; ``blank`` is one of the file's shape."""
    judge = blank or Judge()
    judge.load_state_dict(
        {
            name: tensor.float() if tensor.is_floating_point() else tensor
            for name, tensor in load_file(path).items()
        }
    )
    return judge.eval()
