"""Preprocessors without weights, against what AUTOMATIC1111's ControlNet extension answered."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from generator.control.annotators import Dials, annotate
from generator.control.map_resize import Pixels
from generator.control.modules import MODULES, find_module


def draw(name: str, image: Pixels, **dials: float) -> Pixels:
    module = find_module(name)
    assert module is not None
    return annotate(module, image, Dials(**dials))


@pytest.mark.parametrize("name", ["canny", "color", "invert", "none", "recolor_luminance"])
def test_draws_the_recorded_map(goldens: Path, name: str) -> None:
    body = json.loads((goldens / f"cases/cn_detect_{name}.request.json").read_text())["body"]
    data = base64.b64decode(body["controlnet_input_images"][0])
    given = np.array(Image.open(io.BytesIO(data)).convert("RGB"))
    drawn = draw(name, given, resolution=128, a=100 if name == "canny" else 1.0, b=200)
    recorded = np.array(Image.open(goldens / f"cases/cn_detect_{name}.png"))
    assert drawn.shape == recorded.shape
    off = np.abs(drawn.astype(int) - recorded)
    assert (off > 2).mean() < 0.001


def disc(height: int = 96, width: int = 128) -> Pixels:
    rows, columns = np.mgrid[:height, :width]
    inside = (rows - height / 2) ** 2 + (columns - width / 2) ** 2 < (height / 4) ** 2
    return np.dstack([np.where(inside, 30, 220).astype(np.uint8)] * 3)


@pytest.mark.parametrize("module", [m for m in MODULES if m.runs], ids=lambda m: m.name)
def test_every_preprocessor_that_runs_draws_eight_bits(module: object) -> None:
    drawn = draw(module.name, disc(), resolution=128, a=2.0)
    assert drawn.dtype == np.uint8
    assert drawn.ndim == 3
    assert drawn.shape[2] == 3


def test_the_resolution_is_that_of_the_short_side() -> None:
    assert draw("canny", disc(96, 128), resolution=192, a=100, b=200).shape == (192, 256, 3)
    assert draw("invert", disc(96, 128), resolution=192).shape == (96, 128, 3)


def test_lines_are_white_on_black() -> None:
    for name, dials in (("scribble_xdog", {"a": 32}), ("lineart_standard", {})):
        drawn = draw(name, disc(), resolution=96, **dials)
        assert drawn.max() > 120
        assert (drawn < 16).mean() > 0.5


def test_shuffle_follows_its_seed() -> None:
    image = disc(512, 512)
    one, same, other = (draw("shuffle", image, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_slow_rate_of_down_sampling_does_nothing() -> None:
    assert draw("tile_resample", disc(), a=1.05).shape == (96, 128, 3)
    assert draw("tile_resample", disc(), a=2.0).shape == (48, 64, 3)
