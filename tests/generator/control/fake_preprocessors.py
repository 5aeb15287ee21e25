"""A small package in the shape of controlnet-aux, and weights for its networks."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

PACKAGES = ("controlnet_aux", "timm", "skimage")
HED = """
import numpy as np
import torch

class ControlNetHED_Apache2(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = torch.nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.mix = torch.nn.Conv2d(3, 1, 1)

class HEDdetector:
    def __init__(self, network):
        self.network = network

    def __call__(
        self, image, detect_resolution, image_resolution, output_type, safe=False, scribble=False
    ):
        assert min(image.shape[:2]) == detect_resolution == image_resolution
        assert image.shape[0] % 64 == image.shape[1] % 64 == 0 and output_type == "np"
        rows = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()
        grey = self.network.mix(rows - self.network.norm)[0, 0]
        grey = grey / 2 if safe else (grey > 127) * 255 if scribble else grey
        return np.stack([grey.clamp(0, 255).numpy().astype(np.uint8)] * 3, 2)
"""
LINEART = """
import numpy as np
import torch

class Generator(torch.nn.Module):
    def __init__(self, inputs, outputs, blocks):
        super().__init__()
        assert (inputs, outputs, blocks) == (3, 1, 3)
        self.model0 = torch.nn.Sequential(torch.nn.Conv2d(3, 1, 1))

class LineartDetector:
    def __init__(self, fine, coarse):
        self.fine, self.coarse = fine, coarse

    def __call__(self, image, detect_resolution, image_resolution, output_type):
        rows = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()
        line = self.fine.model0(rows)[0, 0].clamp(0, 255).numpy().astype(np.uint8)
        return np.stack([255 - line] * 3, 2)
"""


@contextmanager
def installed(folder: Path) -> Iterator[None]:
    """The small package, importable until the block ends."""
    for name in PACKAGES:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("")
    (folder / "controlnet_aux/hed.py").write_text(HED)
    (folder / "controlnet_aux/lineart.py").write_text(LINEART)
    with pytest.MonkeyPatch.context() as patch, forgotten_modules():
        patch.syspath_prepend(str(folder))
        yield


@contextmanager
def missing() -> Iterator[None]:
    """The packages are not installed, whatever this machine has."""
    finder = importlib.util.find_spec
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "generator.control.network_files.find_spec",
            lambda name: None if name in PACKAGES else finder(name),
        )
        yield


@contextmanager
def forgotten_modules() -> Iterator[None]:
    """What is imported of the packages inside the block is not so outside, nor the reverse."""
    before = pop_modules()
    try:
        yield
    finally:
        pop_modules()
        sys.modules.update(before)


def pop_modules() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name.partition(".")[0] in PACKAGES]
    return {name: sys.modules.pop(name) for name in names}


def hed_weights(red: float = 1.0) -> dict[str, Tensor]:
    """Of a network that draws ``red`` times the red of a picture."""
    mix = torch.zeros(1, 3, 1, 1)
    mix[0, 0] = red
    return {"norm": torch.zeros(1, 3, 1, 1), "mix.weight": mix, "mix.bias": torch.zeros(1)}


def lineart_weights() -> dict[str, Tensor]:
    """Of a network that draws the green of a picture dark."""
    mix = torch.zeros(1, 3, 1, 1)
    mix[0, 1] = 1.0
    return {"model0.0.weight": mix, "model0.0.bias": torch.zeros(1)}
